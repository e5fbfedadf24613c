public import TerapiCore

/// A sync that is declared in YAML.
public struct SyncFile: Sendable, Equatable {
    public var definition: SyncDefinition
    public var method: String
    /// As it is written, with its templates.
    public var endpoint: String
    /// The names that `map` gives to a record's members; empty when records stay as they come.
    var fields: [String] = []
    var expressions: [SyncExpression] = []
    /// Whether the model's schema stands in the file itself.
    var hasSchema = false

    /// Reads `integrations/<integration>/syncs/<name>.yaml`.
    /// - Parameter file: the path as it is to be shown to the author.
    /// - Throws: `TerapiError(.invalidDefinition)` with one issue for each mistake: `file:line:column: expected …`.
    public init(_ text: String, file: String, integrationKey: String, name: String) throws {
        try self.init(text, file: file, integrationKey: integrationKey, name: name, models: ModelFiles())
    }

    private init(_ text: String, file: String, integrationKey: String, name: String, models: ModelFiles) throws {
        let (sync, mistakes) = Self.read(
            text, file: file, integrationKey: integrationKey, name: name, models: models
        )
        guard let sync, mistakes.isEmpty else { throw Self.error(mistakes) }
        self = sync
    }

    /// Reads the file from its place in a folder of integrations.
    public init(reading file: ScriptFile, in folder: String) throws {
        let path = "\(folder)/\(file.path)"
        guard let bytes = FileContents.read(path), let text = String(validating: bytes, as: UTF8.self) else {
            throw TerapiError(.invalidDefinition, "The file \(path) cannot be read as text in UTF-8.")
        }
        try self.init(
            text, file: path, integrationKey: file.integrationKey, name: file.name,
            models: ModelFiles(of: file.integrationKey, in: folder)
        )
    }

    init(
        definition: SyncDefinition,
        method: String,
        endpoint: String,
        fields: [String],
        expressions: [SyncExpression],
        hasSchema: Bool
    ) {
        self.definition = definition
        self.method = method
        self.endpoint = endpoint
        self.fields = fields
        self.expressions = expressions
        self.hasSchema = hasSchema
    }

    static func read(
        _ text: String,
        file: String,
        integrationKey: String,
        name: String,
        models: ModelFiles = ModelFiles()
    ) -> (sync: SyncFile?, mistakes: [DefinitionMistake]) {
        var reader = SyncFileReader(file: file)
        let sync = reader.read(text, integrationKey: integrationKey, name: name, models: models.schema)
        return (sync, reader.yaml.mistakes + models.mistakes(in: sync?.definition.models ?? []))
    }

    /// All mistakes as one error.
    public static func error(_ mistakes: [DefinitionMistake]) -> TerapiError {
        TerapiError(
            .invalidDefinition,
            mistakes.count == 1
                ? "A definition has a mistake." : "There are \(mistakes.count) mistakes in definitions.",
            issues: mistakes.map { TerapiError.Issue(code: "invalid_definition", message: $0.description, path: []) }
        )
    }
}
