import Foundation
import Synchronization
import TerapiCore
import TerapiSQLite
import TerapiStorage
import Testing

/// The databases that every rule of the storage is tried on.
enum Engine: String, CaseIterable, CustomTestStringConvertible {
    case sqlite

    var testDescription: String { rawValue }

    func open(in folder: TemporaryFolder, name: String = "terapi.db") throws -> any Database {
        switch self {
        case .sqlite: try SQLiteDatabase(path: folder.file(name))
        }
    }
}

/// A folder that goes away with this value.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("terapi-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func file(_ name: String) -> String {
        "\(path)/\(name)"
    }
}

/// A clock that is moved by hand.
final class HandClock: WallClock {
    private let moment: Mutex<Timestamp>

    init(_ start: Timestamp = Timestamp(microseconds: 1_700_000_000_000_000)) {
        moment = Mutex(start)
    }

    var now: Timestamp { moment.withLock { $0 } }

    func advance(by duration: Duration) {
        moment.withLock { $0 = $0 + duration }
    }

    func sleep(until moment: Timestamp) async throws {}
}

/// A storage with one environment, one integration, one connection and one sync.
struct StorageFixture {
    let folder: TemporaryFolder
    let database: any Database
    let storage: SQLStorage
    let clock: HandClock
    let box: SecretBox
    let environment: TerapiCore.Environment
    let integration: Integration
    let connection: Connection
    let sync: Sync

    var scope: EnvironmentScope { environment.scope }
    var stream: RecordStream { RecordStream(connectionID: connection.id, model: "Ticket") }

    static let definition: SyncDefinition = {
        do {
            return SyncDefinition(
                integrationKey: "desk",
                name: "tickets",
                models: ["Ticket"],
                frequency: try Frequency("every 5 minutes"),
                code: ""
            )
        } catch {
            preconditionFailure("\(error)")
        }
    }()

    init(_ engine: Engine) async throws {
        folder = try TemporaryFolder()
        clock = HandClock()
        database = try engine.open(in: folder)
        box = SecretBox(current: EncryptionKey.random().key)
        storage = try await SQLStorage(database, box: box, clock: clock)
        environment = try await storage.createEnvironment(
            name: "dev",
            signingKey: WebhookSignature.newSecret(),
            now: clock.now
        )
        integration = try await storage.createIntegration(
            Integration(
                scope: environment.scope,
                key: "desk",
                provider: "zendesk",
                displayName: "Desk",
                createdAt: clock.now,
                updatedAt: clock.now
            )
        )
        connection = try await Self.connect("alice", through: integration, storage: storage, now: clock.now)
        sync = try await storage.syncs(connectionID: connection.id)[0]
    }

    static func connect(
        _ connectionID: String,
        through integration: Integration,
        storage: SQLStorage,
        now: Timestamp,
        syncs: [SyncDefinition] = [definition]
    ) async throws -> Connection {
        try await storage.save(
            Connection(
                scope: integration.scope,
                integrationID: integration.id,
                connectionID: connectionID,
                integrationKey: integration.key,
                provider: integration.provider,
                createdAt: now,
                updatedAt: now
            ),
            replacing: .any,
            credentials: .apiKey(Secret("key of \(connectionID)")),
            syncs: syncs,
            now: now,
            event: { _, _ in nil },
            scripts: { _ in nil }
        )
    }

    static func scripts(of connection: Connection, id: String = randomUUID(), now: Timestamp) -> ActionRun {
        ActionRun(
            id: id, scope: connection.scope, connectionID: connection.id, kind: .event,
            name: "post-connection-creation", state: .waiting, createdAt: now
        )
    }

    /// Claims the next due run.
    func claim() async throws -> RunFence {
        guard
            let claimed = try await storage.claimRun(
                owner: "boot",
                leaseUntil: clock.now + .seconds(30),
                operationID: randomUUID(),
                now: clock.now
            )
        else { throw TerapiError(.serverError, "No run is due.") }
        return RunFence(syncID: claimed.sync.id, runID: claimed.run.id, generation: claimed.run.generation)
    }

    /// Begins a run of the sync's webhook function.
    func beginWebhook(_ operationID: String = randomUUID()) async throws -> RunFence {
        let run = try await storage.beginWebhookRun(syncID: sync.id, operationID: operationID, now: clock.now)
        guard let run else { throw TerapiError(.serverError, "There is no sync.") }
        return run.fence
    }

    /// Ends a run and makes the sync due again.
    func end(_ run: RunFence, _ status: SyncRun.Status = .success) async throws {
        try await storage.endRun(
            run,
            ending: RunEnding(status: status, nextRunAt: clock.now, failures: 0),
            events: [],
            now: clock.now
        )
    }

    @discardableResult
    func save(
        _ documents: [(id: String, json: String)],
        run: RunFence,
        kind: ScriptRecordChange.Kind = .save,
        seen: Int64? = nil,
        mark: MergingMark? = nil,
        checkpoint: RecordBatch.CheckpointChange? = nil,
        stream: RecordStream? = nil
    ) async throws -> ChangeCounts {
        let change = change(documents, kind: kind, seen: seen, mark: mark, stream: stream)
        let counts = try await storage.save(
            RecordBatch(run: run, scope: scope, changes: [change], checkpoint: checkpoint)
        )
        return counts[change.stream.model] ?? ChangeCounts()
    }

    func change(
        _ documents: [(id: String, json: String)],
        kind: ScriptRecordChange.Kind = .save,
        seen: Int64? = nil,
        mark: MergingMark? = nil,
        stream: RecordStream? = nil
    ) -> RecordChange {
        RecordChange(
            kind: kind,
            stream: stream ?? self.stream,
            ids: documents.map(\.id),
            documents: documents.map { ArraySlice($0.json.utf8) },
            seenGeneration: seen,
            mark: mark
        )
    }

    func query(
        cursor: String? = nil,
        limit: Int = 100,
        actions: Set<RecordAction> = [],
        modifiedAfter: Timestamp? = nil,
        ids: [String] = []
    ) -> RecordQuery {
        RecordQuery(
            scope: scope,
            integrationKey: "desk",
            connectionID: "alice",
            model: "Ticket",
            cursor: cursor,
            limit: limit,
            actions: actions,
            modifiedAfter: modifiedAfter,
            ids: ids
        )
    }

    func page(_ query: RecordQuery) async throws -> Page {
        try Page(try await storage.page(query))
    }

    /// Everything from a cursor on, page by page.
    func all(
        after cursor: String? = nil,
        limit: Int = 100,
        actions: Set<RecordAction> = []
    ) async throws -> [Page.Item] {
        var items: [Page.Item] = []
        var cursor = cursor
        while true {
            let page = try await page(query(cursor: cursor, limit: limit, actions: actions))
            items += page.items
            guard let next = page.nextCursor else { return items }
            cursor = next
        }
    }
}

/// A page as a customer sees it.
struct Page {
    struct Item: Equatable {
        var id: String
        var action: String
        var cursor: String
        var document: JSONValue
        var firstSeenAt: Timestamp
        var lastModifiedAt: Timestamp
        var isDeleted: Bool
    }

    var items: [Item]
    var nextCursor: String?
    var isRewound: Bool
    var ids: [String] { items.map(\.id) }
    var summary: [String] { items.map { "\($0.id) \($0.action)" } }

    init(_ page: RecordPage) throws {
        let json = try JSONReader.read(page.json)
        items = try (json["records"]?.array ?? []).map { record in
            guard let metadata = record["_terapi_metadata"], let id = record["id"]?.string,
                let action = metadata["last_action"]?.string, let cursor = metadata["cursor"]?.string,
                let firstSeenAt = metadata["first_seen_at"]?.string.flatMap(Timestamp.init(iso8601:)),
                let lastModifiedAt = metadata["last_modified_at"]?.string.flatMap(Timestamp.init(iso8601:))
            else { throw TerapiError(.serverError, "A record lacks its metadata.") }
            return Item(
                id: id,
                action: action,
                cursor: cursor,
                document: record,
                firstSeenAt: firstSeenAt,
                lastModifiedAt: lastModifiedAt,
                isDeleted: metadata["deleted_at"]?.isNull == false
            )
        }
        nextCursor = json["next_cursor"]?.string
        isRewound = json["rewound"]?.bool ?? false
        guard nextCursor == page.nextCursor, items.count == page.count else {
            throw TerapiError(.serverError, "The page does not say the same as its text.")
        }
    }
}

/// Tickets `1…count` with a title each.
func tickets(_ ids: some Sequence<Int>, title: String = "first") -> [(id: String, json: String)] {
    ids.map { ("\($0)", #"{"id":"\#($0)","title":"\#(title)"}"#) }
}
