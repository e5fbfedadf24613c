import Synchronization
import TerapiCore
import Testing

@testable import TerapiEngine

@Suite(.timeLimit(.minutes(1)))
struct OperationLogTests {
    private let sink = MemoryLog()
    private let clock = TestClock()

    private func log() -> OperationLog {
        OperationLog(
            LogOperation(
                scope: EnvironmentScope(environmentID: 1),
                kind: .syncRun,
                message: "run",
                createdAt: clock.now
            ),
            sink: sink,
            clock: clock
        )
    }

    @Test
    func `takes known secrets out of messages and out of names and values of what goes with them`() {
        let log = log()
        log.hide([Secret("tok-123456"), Secret("tok-123456-and-more"), Secret("short")])
        log.write(
            .info,
            "sent tok-123456-and-more, then tok-123456 and short",
            meta: ["header": ["Bearer tok-123456", ["tok-123456": 1, "n": .null]], "plain": "text"],
            isFromScript: true
        )
        log.end(.failed, "the provider said: tok-123456-and-more")
        #expect(sink.messages.map(\.message) == ["sent ***, then *** and short", "the provider said: ***"])
        #expect(
            sink.messages.first.map { JSONValue.object($0.meta) }
                == ["header": ["Bearer ***", ["***": 1, "n": .null]], "plain": "text"]
        )
        #expect(log.redacted("x tok-123456") == "x ***")
    }

    @Test
    func `shows what it was not told to hide`() {
        // The control of the test above.
        log().write(.info, "sent tok-123456")
        #expect(sink.text.contains("tok-123456"))
    }

    @Test
    func `keeps a thousand messages of a script, and then only what matters`() {
        let log = log()
        for index in 0..<1_500 { log.write(.info, "line \(index)", isFromScript: true) }
        log.write(.warn, "a warning", isFromScript: true)
        log.write(.error, "an error", isFromScript: true)
        log.write(.info, "from the server")
        #expect(sink.messages.count == 1_003)
        #expect(sink.messages.suffix(3).map(\.message) == ["a warning", "an error", "from the server"])
    }

    @Test
    func `begins an operation and ends it`() {
        let log = log()
        #expect(sink.operations(.syncRun).map(\.state) == [.running])
        clock.advance(by: .seconds(3))
        log.end(.success, "done")
        let ended = sink.operations(.syncRun)
        #expect(ended.map(\.state) == [.success])
        #expect(ended.first?.endedAt == clock.now)
        #expect(sink.messages.map(\.level) == [.info])
    }
}

@Suite(.timeLimit(.minutes(1)))
struct LogWriterTests {
    private let clock = TestClock()
    private let storage = FakeLogStorage()
    private let serverLog = MemoryLogger()

    private var writer: LogWriter { LogWriter(storage: storage, clock: clock, logger: serverLog.logger) }

    @Test
    func `writes what is queued in one go`() async {
        let writer = writer
        for index in 0..<100 { writer.record(message("line \(index)")) }
        await writer.runOnce()
        await writer.runOnce()
        #expect(storage.batches.map(\.count) == [100])
        #expect(storage.batches.first?.first == "line 0")
    }

    @Test
    func `drops what is too much, counts it and says so`() async {
        let writer = writer
        for index in 0..<LogWriter.maxQueued + 5 { writer.record(message("line \(index)")) }
        await writer.runOnce()
        #expect(storage.batches.map(\.count) == [LogWriter.maxQueued])
        #expect(serverLog.text.contains("dropped"))
        #expect(serverLog.text.contains(#""count": 5"#))
        // There is room again.
        writer.record(message("after"))
        await writer.runOnce()
        #expect(storage.batches.last == ["after"])
    }

    @Test
    func `goes on when a batch could not be written`() async {
        let writer = writer
        storage.fail(once: true)
        writer.record(message("lost"))
        await writer.runOnce()
        #expect(serverLog.text.contains("could not be written"))
        writer.record(message("kept"))
        await writer.runOnce()
        #expect(storage.batches == [["kept"]])
    }

    @Test
    func `writes by itself a moment after the first line, and the rest at its end`() async throws {
        let writer = writer
        let running = Task { try await writer.run() }
        writer.record(message("one"))
        await clock.untilSomeoneSleeps(for: LogWriter.interval)
        writer.record(message("two"))
        clock.advance(by: LogWriter.interval)
        try await storage.written.reached()
        #expect(storage.batches == [["one", "two"]])
        writer.record(message("three"))
        running.cancel()
        try await running.value
        #expect(storage.batches.flatMap(\.self) == ["one", "two", "three"])
    }

    private func message(_ text: String) -> LogMessage {
        LogMessage(operationID: "o", level: .info, message: text, createdAt: clock.now)
    }
}

private final class FakeLogStorage: LogStorage {
    private let state = Mutex((batches: [[String]](), fails: false))
    let written = Counter()

    var batches: [[String]] { state.withLock { $0.batches } }

    func fail(once: Bool) {
        state.withLock { $0.fails = once }
    }

    func endInterrupted(now: Timestamp) async throws {}

    func append(operations: [LogOperation], messages: [LogMessage]) async throws {
        try state.withLock { state in
            if state.fails {
                state.fails = false
                throw TerapiError(.storageUnavailable, "The disk is full.")
            }
            state.batches.append(messages.map(\.message))
        }
        written.increment()
    }

    func operations(_ filter: LogFilter, in scope: EnvironmentScope) async throws -> [LogOperation] { [] }
    func operation(_ id: String, in scope: EnvironmentScope) async throws -> LogOperation? { nil }
    func messages(operationID: String, after: Int64?, limit: Int) async throws -> [(id: Int64, message: LogMessage)] {
        []
    }
    func messages(after id: Int64, limit: Int) async throws -> [(id: Int64, message: LogMessage)] { [] }
}
