import TerapiCore
import TerapiStorage
import Testing

@Suite(.timeLimit(.minutes(2)))
struct LogStorageConformance {
    private static let start = Timestamp(microseconds: 1_700_000_000_000_000)
    private static let scope = EnvironmentScope(environmentID: 1)

    @Test(arguments: Engine.allCases)
    func `keeps operations, replaces what is known, and filters`(engine: Engine) async throws {
        let folder = try TemporaryFolder()
        let logs = try await SQLLogStorage(try engine.open(in: folder, name: "logs.db"), now: Self.start)
        var operations = (0..<10).map { number in
            LogOperation(
                id: "op-\(number)",
                scope: Self.scope,
                kind: number % 2 == 0 ? .syncRun : .refreshToken,
                message: "Operation \(number)",
                integrationKey: "desk",
                connectionID: number < 5 ? "alice" : "bob",
                createdAt: Self.start + .seconds(number)
            )
        }
        try await logs.append(operations: operations, messages: [])
        operations[4].state = .failed
        operations[4].endedAt = Self.start + .seconds(60)
        try await logs.append(operations: [operations[4]], messages: [])

        func ids(_ filter: LogFilter) async throws -> [String] {
            try await logs.operations(filter, in: Self.scope).map(\.id)
        }
        #expect(try await logs.operation("op-4", in: Self.scope) == operations[4])
        #expect(try await logs.operation("op-4", in: EnvironmentScope(environmentID: 2)) == nil)
        #expect(try await ids(LogFilter(limit: 3)) == ["op-9", "op-8", "op-7"])
        #expect(try await ids(LogFilter(kinds: [.syncRun])) == ["op-8", "op-6", "op-4", "op-2", "op-0"])
        #expect(try await ids(LogFilter(states: [.failed])) == ["op-4"])
        #expect(try await ids(LogFilter(kinds: [.syncRun], connectionID: "alice", limit: 1)) == ["op-4"])
        #expect(try await ids(LogFilter(search: "operation 7")) == ["op-7"])
        #expect(
            try await ids(LogFilter(after: Self.start + .seconds(2), before: Self.start + .seconds(5)))
                == ["op-4", "op-3"]
        )
        await logs.close()
    }

    @Test(arguments: Engine.allCases)
    func `ends what a dead process has left running, and says why`(engine: Engine) async throws {
        let folder = try TemporaryFolder()
        let logs = try await SQLLogStorage(try engine.open(in: folder, name: "logs.db"), now: Self.start)
        func operation(_ id: String, _ kind: LogOperation.Kind, _ state: LogOperation.State) -> LogOperation {
            LogOperation(id: id, scope: Self.scope, kind: kind, state: state, message: id, createdAt: Self.start)
        }
        try await logs.append(
            operations: [
                operation("action", .actionRun, .running), operation("event", .validateConnection, .running),
                operation("queued", .actionRun, .waiting), operation("done", .actionRun, .success),
                // Its sync's rescue ends it, and says how it goes on.
                operation("sync", .syncRun, .running),
            ],
            messages: []
        )
        let now = Self.start + .seconds(9)
        try await logs.endInterrupted(now: now)
        try await logs.endInterrupted(now: now)

        let states: [(String, LogOperation.State)] = [
            ("action", .failed), ("event", .failed), ("queued", .waiting), ("done", .success), ("sync", .running),
        ]
        for (id, state) in states { #expect(try await logs.operation(id, in: Self.scope)?.state == state, "\(id)") }
        #expect(try await logs.operation("action", in: Self.scope)?.endedAt == now)
        let messages = try await logs.messages(after: 0, limit: 10).map(\.message)
        #expect(messages.map(\.operationID).sorted() == ["action", "event"])
        #expect(messages.allSatisfy { $0.level == .error && $0.message.contains("The server ended") })
        await logs.close()
    }

    @Test(arguments: Engine.allCases)
    func `gives messages in their order, of one operation or of all`(engine: Engine) async throws {
        let folder = try TemporaryFolder()
        let logs = try await SQLLogStorage(try engine.open(in: folder, name: "logs.db"), now: Self.start)
        let messages = (0..<6).map { number in
            LogMessage(
                operationID: "op-\(number % 2)",
                level: .warn,
                isFromScript: number > 2,
                message: "m\(number)",
                meta: ["status": .number("\(number)")],
                createdAt: Self.start
            )
        }
        try await logs.append(operations: [], messages: messages)

        let all = try await logs.messages(after: 0, limit: 100)
        let even = try await logs.messages(operationID: "op-0", after: nil, limit: 2)
        let rest = try await logs.messages(operationID: "op-0", after: even.last?.id, limit: 2)
        #expect(all.map(\.message) == messages)
        #expect(even.map(\.message.message) == ["m0", "m2"])
        #expect(rest.map(\.message.message) == ["m4"])
        #expect(try await logs.messages(after: all[3].id, limit: 100).map(\.message.message) == ["m4", "m5"])
        await logs.close()
    }
}
