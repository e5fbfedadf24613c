import TerapiCore

/// Where the models of a sync file are looked for: beside the integration, then beside all of them, then among those that
/// ship with Terapi.
struct ModelFiles: Sendable {
    /// Folders with one file per model, `<model>.json`.
    private let folders: [String]

    /// Only the standard models.
    init() {
        folders = []
    }

    /// - Parameter folder: the folder of integrations.
    init(of integrationKey: String, in folder: String) {
        folders = ["\(folder)/\(integrationKey)/models", "\(folder)/models"]
    }

    /// The JSON Schema of a model; `nil` when nothing says what it is.
    func schema(_ model: String) -> JSONValue? {
        own(model)?.schema.map(StandardModel.resolved) ?? StandardModel.named(model)?.document
    }

    /// The schema where a file of the person has it: what has to go along when the sync goes elsewhere.
    func ownSchema(_ model: String) -> JSONValue? {
        own(model)?.schema
    }

    func mistakes(in models: [String]) -> [DefinitionMistake] {
        models.compactMap { model in
            guard let (path, schema) = own(model), schema?.object == nil else { return nil }
            return DefinitionMistake(file: path, line: 1, column: 1, message: "expected a JSON Schema, an object")
        }
    }

    /// - Returns: `nil` when there is no such file; no schema when there is one that is not JSON.
    private func own(_ model: String) -> (path: String, schema: JSONValue?)? {
        guard !model.contains("/"), !model.hasPrefix(".") else { return nil }
        for folder in folders {
            let path = "\(folder)/\(model).json"
            if let bytes = FileContents.read(path) { return (path, try? JSONReader.read(bytes)) }
        }
        return nil
    }
}
