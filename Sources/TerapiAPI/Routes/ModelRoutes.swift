import Hummingbird
import TerapiCore

/// The standard models.
struct ModelRoutes: Sendable {
    func list(_ call: Call) async throws -> Response {
        .json(["data": .array(StandardModel.all.map(\.json))])
    }

    func one(_ call: Call) throws -> Response {
        let name = try call.parameter("model", .model)
        guard let model = StandardModel.named(name) else {
            let names = StandardModel.all.map(\.name).joined(separator: ", ")
            throw TerapiError(.notFound, "There is no standard model of this name. There are \(names).")
        }
        return .json(["data": model.json])
    }
}

extension StandardModel {
    fileprivate var json: JSONValue {
        [
            "name": .string(name), "version": .string(version), "description": .string(description),
            "json_schema": document,
        ]
    }
}
