import Synchronization
import TerapiCore

/// Compares what one run saves with what its models say.
///
/// A strict sync fails at the first record that is not what its model says, and nothing of that batch is saved.
/// Otherwise the log tells each kind of mistake once, and only the first records of each model are looked at: reading
/// every document would cost more than saving it, and a mapping that is wrong is wrong from the beginning.
final class RecordCheck: Sendable {
    /// Of each model, where mistakes are only told.
    static let lookedAt = 1_000
    /// Kinds of mistakes that one run tells.
    static let maxTold = 20

    private struct State {
        var seen: [String: Int] = [:]
        var told: Set<String> = []
    }

    private let schemas: [String: JSONSchema]
    private let isStrict: Bool
    private let warn: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// - Parameter warn: gets a sentence for the log.
    init(_ definition: SyncDefinition, warn: @escaping @Sendable (String) -> Void) {
        schemas = Dictionary(
            definition.schemas.members.map { name, document in
                // zod drops what it does not know, but prints for it that nothing else is allowed. A schema with a
                // name of its own was written as such.
                (name, JSONSchema(document, allowsMoreMembers: document["$id"] == nil))
            },
            uniquingKeysWith: { first, _ in first }
        )
        isStrict = definition.isStrict
        self.warn = warn
    }

    /// - Throws: `TerapiError(.scriptError)` when the sync is strict and a record is not what its model says.
    func look(at change: ScriptRecordChange) throws {
        guard change.kind == .save, let schema = schemas[change.model] else { return }
        for (id, document) in zip(change.ids, change.documents).prefix(count(of: change)) {
            // What is no JSON is refused where it is stored.
            guard let record = try? JSONReader.read(document) else { continue }
            let issues = schema.issues(with: record)
            if issues.isEmpty { continue }
            guard isStrict else {
                tell(issues, model: change.model, id: id)
                continue
            }
            let list = issues.map { "\($0.path.joined(separator: ".")): \($0.message)" }.joined(separator: " ")
            throw TerapiError(
                .scriptError,
                "The record \(id) is not what the model \(change.model) says, and the sync is strict. \(list) Correct "
                    + "the mapping; nothing of this batch was saved.",
                issues: issues
            )
        }
    }

    private func count(of change: ScriptRecordChange) -> Int {
        guard !isStrict else { return change.documents.count }
        return state.withLock { state in
            let seen = state.seen[change.model, default: 0]
            let count = min(Self.lookedAt - seen, change.documents.count)
            state.seen[change.model] = seen + count
            return count
        }
    }

    private func tell(_ issues: [TerapiError.Issue], model: String, id: String) {
        for issue in issues {
            // The same mistake in every element of a list is one.
            let place = issue.path.filter { Int($0) == nil }.joined(separator: ".")
            let isNew = state.withLock { state in
                guard state.told.count < Self.maxTold else { return false }
                return state.told.insert("\(model) \(place) \(issue.message)").inserted
            }
            guard isNew else { continue }
            warn(
                "\(model) \(id): \(issue.path.joined(separator: ".")): \(issue.message) It was saved as it is; with "
                    + "strict: true the run would fail."
            )
        }
    }
}
