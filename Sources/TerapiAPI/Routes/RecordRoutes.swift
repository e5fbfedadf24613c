import Hummingbird
import TerapiCore

/// Records for the team's backend.
struct RecordRoutes: Sendable {
    let records: any RecordStorage

    private enum Filter {
        static func actions(_ text: String) -> Set<RecordAction>? {
            let names = text.split(separator: ",", omittingEmptySubsequences: false)
            let actions = names.compactMap { RecordAction(rawValue: $0.uppercased()) }
            return actions.count == names.count ? Set(actions) : nil
        }
    }

    /// A page of one model's records, passed on as the bytes that the storage made.
    func list(_ call: Call) async throws -> Response {
        try await list(call) { query in
            let model = query.requiredText("model", .model)
            if let first = model.utf8.first, !TextRule.isLetter(first) {
                query.refuse("model", "invalid_format", "Expected a letter first.")
            }
            return model
        }
    }

    /// - Parameter readModel: which model is meant.
    func list(_ call: Call, readModel: (inout QueryReader) -> String) async throws -> Response {
        let (integrationKey, connectionID) = try call.connectionHeaders()
        var query = try call.query()
        let model = readModel(&query)
        let variant = query.text("variant", .syncName)
        let cursor = query.text("cursor", .text(1...1000))
        let limit = query.integer("limit", in: 1...10_000)
        let filter = query.text("filter", .text(1...64))
        let actions = filter.map(Filter.actions) ?? []
        if actions == nil {
            query.refuse(
                "filter", "invalid_enum_value",
                "Expected \"added\", \"updated\" or \"deleted\", or several joined by commas."
            )
        }
        let modifiedAfter = query.moment("modified_after")
        let delta = query.moment("delta")
        let ids = query.list("ids", .text(1...256), maxCount: 100)
        try query.finish()

        let question = RecordQuery(
            scope: try call.scope,
            integrationKey: integrationKey,
            connectionID: connectionID,
            model: model,
            variant: variant ?? "base",
            cursor: cursor,
            limit: limit ?? 100,
            actions: actions ?? [],
            modifiedAfter: delta ?? modifiedAfter,
            ids: ids
        )
        do {
            return .json(bytes: try await records.page(question).json)
        } catch let error as TerapiError {
            throw error
        } catch {
            throw TerapiError(.serverError, "Failed to fetch records", cause: error)
        }
    }
}
