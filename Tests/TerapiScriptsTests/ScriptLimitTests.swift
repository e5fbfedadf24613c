import Foundation
import Synchronization
import TerapiCore
import TerapiScripts
import Testing

#if canImport(Glibc)
import Glibc
#endif

@Suite(.timeLimit(.minutes(1)), .serialized)
struct ScriptLimitTests {
    @Test(arguments: [
        ("for (;;) {}", "CPU time"),
        ("try { for (;;) {} } finally { for (;;) {} }", "CPU time"),
        ("for (;;) await null;", "CPU time"),
        ("await null; for (;;) {}", "CPU time"),
        ("const a = []; for (;;) a.push(new Array(1000).fill(a.length));", "memory"),
        ("const a = []; for (;;) a.push('x'.repeat(1 << 24) + a.length);", "memory"),
        ("'x'.repeat(2 ** 31 - 2)", "memory"),
        ("return [...'y'.repeat(1 << 22)].sort().map((x) => x + x).sort().join().length", "memory"),
    ])
    func `stops a script at its limits`(code: String, limit: String) async throws {
        let host = ScriptFixture.host(ScriptLimits(turn: .milliseconds(500), memoryBytes: 160 << 20))
        defer { host.stop() }
        let clock = ContinuousClock()
        let start = clock.now

        let error = await #expect(throws: TerapiError.self) {
            try await host.run(ScriptFixture.sync(code), functions: FakeFunctions())
        }

        #expect(error?.code == .scriptLimitExceeded, "\(String(describing: error))")
        #expect(error?.message.contains("limit of") == true)
        #expect(error?.message.contains(limit) == true || code.hasPrefix("return"), "\(String(describing: error))")
        #expect(clock.now - start < .seconds(8))
        // The next run finds a host again.
        let result = try await host.run(ScriptFixture.action("return 1"), functions: FakeFunctions())
        #expect(result == Array("1".utf8))
    }

    @Test
    func `a script below its limits goes through`() async throws {
        let host = ScriptFixture.host(ScriptLimits(turn: .milliseconds(500), memoryBytes: 160 << 20))
        defer { host.stop() }

        let code = "const a = []; for (let i = 0; i < 1000000; i++) a.push(i); return a.length"
        let result = try await host.run(ScriptFixture.action(code), functions: FakeFunctions())

        #expect(result == Array("1000000".utf8))
    }

    @Test
    func `stops a run that takes too long`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }

        let error = await #expect(throws: TerapiError.self) {
            try await host.run(
                ScriptFixture.sync("await new Promise(() => {})", timeout: .milliseconds(100)),
                functions: FakeFunctions()
            )
        }

        #expect(error?.code == .scriptLimitExceeded)
        #expect(error?.message.contains("limit of time") == true)
    }

    @Test
    func `stops a run whose task is cancelled while it computes`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        let (computing, begun) = AsyncStream.makeStream(of: Void.self)
        let functions = FakeFunctions(answer: { _, _ in
            begun.yield()
            return .null
        })

        let run = Task {
            try await host.run(ScriptFixture.sync("await terapi.log('on'); for (;;) {}"), functions: functions)
        }
        for await _ in computing { break }
        run.cancel()

        await #expect(throws: CancellationError.self) { try await run.value }
        let result = try await host.run(ScriptFixture.action("return 1", environment: 2), functions: FakeFunctions())
        #expect(result == Array("1".utf8))
    }

    @Test
    func `fails every run of a host that is killed, and starts another`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        let functions = FakeFunctions(respond: { [host] _ in
            for processID in host.processIDs.values { kill(processID, SIGKILL) }
            // An answer that never comes; the run is over before.
            for await _ in AsyncStream<Never>.makeStream().stream {}
            return .json("[]")
        })

        let waiting = Task {
            try await host.run(ScriptFixture.sync("await new Promise(() => {})"), functions: FakeFunctions())
        }
        let error = await #expect(throws: TerapiError.self) {
            try await host.run(ScriptFixture.sync("await terapi.get({ endpoint: '/x' })"), functions: functions)
        }
        let other = await #expect(throws: TerapiError.self) { try await waiting.value }

        #expect(error?.code == .scriptHostLost)
        #expect(error?.message.contains("the script host ended") == true)
        #expect(other?.message.contains("the script host ended") == true)
        let result = try await host.run(ScriptFixture.action("return 1"), functions: FakeFunctions())
        #expect(result == Array("1".utf8))
    }

    @Test
    func `never shares a process between environments, and shares it within one`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        let seen = Mutex<[Int64: Set<Int32>]>([:])
        let functions = FakeFunctions(answer: { [host] _, _ in
            seen.withLock { seen in
                for (environment, processID) in host.processIDs { seen[environment, default: []].insert(processID) }
            }
            return .null
        })

        try await withThrowingTaskGroup { group in
            for index in 0..<12 {
                group.addTask {
                    _ = try await host.run(
                        ScriptFixture.sync(
                            "await terapi.log('x'); await terapi.log('y')", environment: Int64(index % 3)),
                        functions: functions
                    )
                }
            }
            try await group.waitForAll()
        }

        let processes = seen.withLock { $0 }
        #expect(processes.keys.sorted() == [0, 1, 2])
        #expect(processes.values.allSatisfy { $0.count == 1 })
        #expect(processes.values.reduce(Set()) { $0.union($1) }.count == 3)
    }

    @Test
    func `keeps the globals of two runs in one host apart`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }

        for _ in 0..<2 {
            let result = try await host.run(
                ScriptFixture.action("const seen = globalThis.mark; globalThis.mark = 1; return seen ?? null"),
                functions: FakeFunctions()
            )
            #expect(result == Array("null".utf8))
        }
    }

    @Test
    func `ends a host that has been idle`() async throws {
        let host = ScriptFixture.host(ScriptLimits(idle: .milliseconds(50)))
        defer { host.stop() }
        _ = try await host.run(ScriptFixture.action("return 1"), functions: FakeFunctions())
        #expect(host.processIDs.count == 1)

        while !host.processIDs.isEmpty { await Task.yield() }
    }

    @Test
    func `waits for a place when all hosts are busy`() async throws {
        let host = ScriptFixture.host(ScriptLimits(maxHosts: 1))
        defer { host.stop() }

        let results = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for environment in 0..<4 {
                group.addTask {
                    try await host.run(
                        ScriptFixture.action("return 1", environment: Int64(environment)),
                        functions: FakeFunctions()
                    )
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }

        #expect(results.count == 4)
    }

    @Test
    func `carries large batches both ways at once`() async throws {
        let host = ScriptFixture.host(ScriptLimits(memoryBytes: 1 << 30))
        defer { host.stop() }
        let page =
            "["
            + (0..<20_000).map { #"{"id":"\#($0)","text":"\#(String(repeating: "x", count: 200))"}"# }
            .joined(separator: ",") + "]"
        let functions = FakeFunctions(respond: { _ in .json(page) })

        _ = try await host.run(
            ScriptFixture.sync(
                """
                const pages = [1, 2, 3].map(() => terapi.get({ endpoint: '/x' }));
                for (const page of pages) page.then(({ data }) => terapi.batchSave(data, 'A'));
                await Promise.all(pages);
                """
            ),
            functions: functions
        )

        #expect(functions.ids.count == 60_000)
    }
}
