import Synchronization
import TerapiCore

/// Keeps an older state of a record from going over a newer one, for models that say which member tells.
///
/// Sources of health data deliver the same night again and again, each time with more in it, and not always in order: a
/// later delivery replaces the whole record, an earlier one that comes late changes nothing.
final class NewestWins: Sendable {
    /// Beyond this many ids the run forgets what it has saved, and looks into the storage again.
    private static let maxRemembered = 100_000

    private let members: [String: String]
    /// What this run has saved: it may not be stored yet.
    private let saved = Mutex<[String: [String: Timestamp]]>([:])

    init(_ definition: SyncDefinition) {
        members = Dictionary(
            definition.schemas.members.compactMap { name, schema in
                StandardModel.newestWins(by: schema).map { (name, $0) }
            },
            uniquingKeysWith: { first, _ in first }
        )
    }

    /// The change with what is stored in the place of what is older than that, so that it counts as seen and as unchanged.
    /// - Parameters:
    ///   - flush: makes what the run has saved before visible to `stored`.
    ///   - stored: documents by id.
    func settle(
        _ change: ScriptRecordChange,
        flush: () async throws -> Void,
        stored: ([String]) async throws -> [(id: String, document: [UInt8])]
    ) async throws -> ScriptRecordChange {
        guard change.kind == .save, !change.ids.isEmpty, let member = members[change.model] else { return change }
        let moments = change.documents.map { Self.moment($0, member) }
        let remembered = saved.withLock { $0[change.model] ?? [:] }
        let isTooMuch = remembered.count > Self.maxRemembered
        // What this run has saved of these records must be visible before it is compared.
        var isBehind = isTooMuch
        var unknown: [String] = []
        for (id, moment) in zip(change.ids, moments) {
            guard let moment else { continue }
            let known = remembered[id]
            if let known, moment >= known { continue }
            unknown.append(id)
            if known != nil { isBehind = true }
        }
        if isBehind { try await flush() }
        let found = unknown.isEmpty ? [] : try await stored(unknown)
        let documents = Dictionary(found.map { ($0.id, $0.document) }) { first, _ in first }

        var settled = change
        var latest = isTooMuch ? [:] : remembered
        for (index, id) in change.ids.enumerated() {
            guard let moment = moments[index] else { continue }
            latest[id] = moment
            guard let document = documents[id], let kept = Self.moment(document, member), moment < kept else {
                continue
            }
            settled.documents[index] = document[...]
            latest[id] = kept
        }
        saved.withLock { $0[change.model] = latest }
        return settled
    }

    private static func moment(_ document: some Collection<UInt8>, _ member: String) -> Timestamp? {
        (try? JSONReader.read(document))?[member]?.string.flatMap(Timestamp.init(iso8601:))
    }
}
