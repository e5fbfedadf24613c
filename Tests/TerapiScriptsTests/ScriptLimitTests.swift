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
        ("for (;;) {}", "limit of CPU time"),
        ("try { for (;;) {} } finally { for (;;) {} }", "limit of CPU time"),
        ("for (;;) await null;", "limit of CPU time"),
        ("await null; for (;;) {}", "limit of CPU time"),
        ("/^(a+)+$/.test('a'.repeat(40) + 'b')", "limit of CPU time"),
        ("[3, 2, 1].sort(() => { for (;;) {} })", "limit of CPU time"),
        ("const a = [...'z'.repeat(300000)]; for (;;) a.sort(() => Math.random() - 0.5)", "limit of CPU time"),
        ("const again = () => setTimeout(again, 0); again(); for (;;) await null;", "limit of CPU time"),
        ("const a = []; for (;;) a.push(new Array(1000).fill(a.length));", "limit of memory"),
        ("const a = []; for (;;) a.push('x'.repeat(1 << 24) + a.length);", "limit of memory"),
        ("'x'.repeat(2 ** 31 - 2)", "limit of memory"),
        ("for (;;) 'x'.repeat(2 ** 30).charCodeAt(7)", "limit of"),
        ("for (let i = 0; i < 1e7; i++) setTimeout(() => i, 3600000); await new Promise(() => {})", "limit of"),
        ("JSON.parse('[' + '1,'.repeat(2 ** 29 - 8) + '1]')", "limit of memory"),
        ("JSON.parse('['.repeat(2 ** 24))", "limit of memory"),
        ("return JSON.stringify(new Array(1 << 28).fill('xxxx')).length", "limit of"),
        ("new Array(2 ** 32 - 1).fill(0)", "limit of"),
        ("new Uint8Array(2 ** 31).fill(1)", "limit of memory"),
        ("const f = (n) => f(n + 1) + 1; f(0)", "Maximum call stack size exceeded"),
        ("return [...'y'.repeat(1 << 22)].sort().map((x) => x + x).sort().join().length", "limit of"),
    ])
    func `stops a script at its limits, and no other run`(code: String, reason: String) async throws {
        let limits = ScriptLimits(turn: .milliseconds(500), memoryBytes: 160 << 20)
        let host = ScriptFixture.host(limits)
        defer { host.stop() }
        let (waiting, begun) = AsyncStream.makeStream(of: Void.self)
        let neighbour = Task {
            try await host.run(
                ScriptFixture.sync("await terapi.log('on'); await new Promise((done) => setTimeout(done, 3000))"),
                functions: FakeFunctions(answer: { _, _ in
                    begun.yield()
                    return .null
                })
            )
        }
        for await _ in waiting { break }
        let elsewhere = try await host.run(ScriptFixture.action("return 1", environment: 2), functions: FakeFunctions())
        var (error, lifetime): (TerapiError?, Duration) = (nil, .zero)

        // The limit counts the script's own time: a machine that is busy elsewhere may give it late.
        for _ in 0..<3 {
            let start = ContinuousClock.now
            error = await #expect(throws: TerapiError.self) {
                try await host.run(ScriptFixture.sync(code, name: "github/guilty"), functions: FakeFunctions())
            }
            lifetime = .now - start
            if lifetime < limits.turn + .seconds(1) { break }
        }

        #expect(error?.message.contains(reason) == true, "\(String(describing: error))")
        #expect((error?.code == .scriptLimitExceeded) == reason.hasPrefix("limit"))
        #expect(lifetime < limits.turn + .seconds(1))
        #expect(elsewhere == Array("1".utf8))
        // The neighbour is done, or learns that it was not its fault.
        do {
            _ = try await neighbour.value
        } catch let error as TerapiError {
            #expect(error.code == .scriptHostLost, "\(error)")
        }
        let result = try await host.run(ScriptFixture.action("return 1"), functions: FakeFunctions())
        #expect(result == Array("1".utf8))
    }

    @Test
    func `a script that cost its host runs alone the next time`() async throws {
        let host = ScriptFixture.host(ScriptLimits(turn: .milliseconds(300)))
        defer { host.stop() }
        let guilty = ScriptFixture.sync("for (;;) {}", name: "github/guilty")
        await #expect(throws: TerapiError.self) { try await host.run(guilty, functions: FakeFunctions()) }
        let (waiting, begun) = AsyncStream.makeStream(of: Void.self)
        let neighbour = Task {
            try await host.run(
                ScriptFixture.action(
                    "await nango.log('on'); await new Promise((done) => setTimeout(done, 1500)); return 7"),
                functions: FakeFunctions(answer: { _, _ in
                    begun.yield()
                    return .null
                })
            )
        }
        for await _ in waiting { break }

        let error = await #expect(throws: TerapiError.self) {
            try await host.run(guilty, functions: FakeFunctions())
        }

        #expect(error?.code == .scriptLimitExceeded)
        #expect(try await neighbour.value == Array("7".utf8))
    }

    @Test
    func `when it is not known which run used the memory, each goes on alone`() async throws {
        let host = ScriptFixture.host(ScriptLimits(memoryBytes: 200 << 20))
        defer { host.stop() }
        // Twelve of them are too much for one host, and no one of them is.
        let code = """
            const kept = [];
            for (let round = 0; round < 8; round++) {
                kept.push(new Uint8Array(2 << 20).fill(1));
                await nango.log('more');
            }
            return kept.length;
            """

        let codes = try await withThrowingTaskGroup(of: TerapiError.Code?.self) { group in
            for number in 0..<12 {
                group.addTask {
                    do {
                        let action = ScriptFixture.action(code, name: "github/run-\(number)")
                        _ = try await host.run(action, functions: FakeFunctions())
                        return nil
                    } catch let error as TerapiError {
                        return error.code
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }

        #expect(codes.contains(.scriptHostLost))
        #expect(!codes.contains(.scriptLimitExceeded))
        for number in 0..<12 {
            let action = ScriptFixture.action(code, name: "github/run-\(number)")
            #expect(try await host.run(action, functions: FakeFunctions()) == Array("8".utf8))
        }
    }

    @Test(arguments: [SIGSEGV, SIGABRT, SIGILL])
    func `a crash costs the run whose turn it was, and no other`(signal: Int32) async throws {
        let host = ScriptFixture.host(ScriptLimits(turn: .seconds(30)))
        defer { host.stop() }
        let (computing, begun) = AsyncStream.makeStream(of: Void.self)
        let functions = FakeFunctions(answer: { _, _ in
            begun.yield()
            return .null
        })
        let neighbour = Task {
            try await host.run(
                ScriptFixture.sync("await terapi.log('on'); await new Promise(() => {})"), functions: functions)
        }
        var signals = computing.makeAsyncIterator()
        await signals.next()
        // Has had its turn after the neighbour's, which only waits now.
        _ = try await host.run(ScriptFixture.action("return 1"), functions: FakeFunctions())
        let guilty = Task {
            try await host.run(
                ScriptFixture.sync("terapi.log('on'); for (;;) {}", name: "github/guilty"), functions: functions)
        }
        await signals.next()
        let processID = try #require(host.processIDs[1]?.first)

        // The engine's own handler takes the first signal for one of its own.
        while host.processIDs[1]?.contains(processID) == true {
            kill(processID, signal)
            await Task.yield()
        }
        let error = await #expect(throws: TerapiError.self) { try await guilty.value }
        let other = await #expect(throws: TerapiError.self) { try await neighbour.value }

        #expect(error?.code == .scriptError)
        #expect(error?.message.contains("crashed (signal \(signal))") == true, "\(String(describing: error))")
        #expect(other?.code == .scriptHostLost)
    }

    @Test
    func `a script with many timers takes no turn from the others`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        let (waiting, begun) = AsyncStream.makeStream(of: Void.self)
        let busy = Task {
            try await host.run(
                ScriptFixture.sync(
                    """
                    const busy = () => { const end = Date.now() + 20; while (Date.now() < end); setTimeout(busy, 0); };
                    for (let timer = 0; timer < 500; timer++) setTimeout(busy, 0);
                    await terapi.log('on');
                    await new Promise(() => {});
                    """),
                functions: FakeFunctions(answer: { _, _ in
                    begun.yield()
                    return .null
                })
            )
        }
        for await _ in waiting { break }

        let start = ContinuousClock.now
        let code = "for (let turn = 0; turn < 10; turn++) await nango.log('x'); return 1"
        _ = try await host.run(ScriptFixture.action(code), functions: FakeFunctions())

        // Ten calls and a few timers between them; all five hundred timers would take ten seconds a round.
        #expect(ContinuousClock.now - start < .seconds(5))
        busy.cancel()
        await #expect(throws: CancellationError.self) { try await busy.value }
    }

    @Test
    func `an environment with many runs gets a second host, alone in it too`() async throws {
        let host = ScriptFixture.host(ScriptLimits(maxRunsPerHost: 2))
        defer { host.stop() }
        let (waiting, begun) = AsyncStream.makeStream(of: Void.self)
        let functions = FakeFunctions(respond: { _ in
            begun.yield()
            for await _ in AsyncStream<Never>.makeStream().stream {}
            throw CancellationError()
        })
        let runs = (0..<5).map { _ in
            Task {
                try await host.run(ScriptFixture.sync("await terapi.get({ endpoint: '/x' })"), functions: functions)
            }
        }
        var count = 0
        for await _ in waiting {
            count += 1
            if count == 5 { break }
        }

        #expect(host.processIDs[1]?.count == 3)
        for run in runs { run.cancel() }
        for run in runs { await #expect(throws: CancellationError.self) { try await run.value } }
    }

    @Test
    func `refuses a batch that is too large, by name`() async throws {
        let host = ScriptFixture.host(ScriptLimits(maxFrameBytes: 1 << 20))
        defer { host.stop() }

        let error = await #expect(throws: TerapiError.self) {
            try await host.run(
                ScriptFixture.sync("await terapi.batchSave([{ id: 1, text: 'x'.repeat(1 << 20) }], 'A')"),
                functions: FakeFunctions())
        }

        #expect(error?.code == .scriptLimitExceeded)
        #expect(error?.message.contains("limit of a request or batch") == true)
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
    func `tells every run of a host that is killed from outside, and starts another`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        let (waiting, begun) = AsyncStream.makeStream(of: Void.self)
        let functions = FakeFunctions(respond: { _ in
            begun.yield()
            // An answer that never comes; the run is over before.
            for await _ in AsyncStream<Never>.makeStream().stream {}
            return .json("[]")
        })
        let runs = (0..<2).map { _ in
            Task {
                try await host.run(ScriptFixture.sync("await terapi.get({ endpoint: '/x' })"), functions: functions)
            }
        }
        var count = 0
        for await _ in waiting {
            count += 1
            if count == 2 { break }
        }
        // Has had its turn after theirs: they only wait now.
        _ = try await host.run(ScriptFixture.action("return 1"), functions: FakeFunctions())

        for processID in host.processIDs.values.joined() { kill(processID, SIGKILL) }

        for run in runs {
            let error = await #expect(throws: TerapiError.self) { try await run.value }
            #expect(error?.code == .scriptHostLost)
        }
        let result = try await host.run(ScriptFixture.action("return 1"), functions: FakeFunctions())
        #expect(result == Array("1".utf8))
    }

    @Test
    func `a run that had done nothing yet begins again unseen`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        let run = Task {
            try await host.run(
                ScriptFixture.action("await new Promise((done) => setTimeout(done, 500)); return 5"),
                functions: FakeFunctions())
        }
        while host.processIDs.isEmpty { await Task.yield() }
        // Has had its turn after the other's first.
        _ = try await host.run(ScriptFixture.action("return 1"), functions: FakeFunctions())

        let processID = try #require(host.processIDs[1]?.first)
        kill(processID, SIGKILL)

        #expect(try await run.value == Array("5".utf8))
        #expect(host.processIDs[1]?.first != processID)
    }

    @Test
    func `never shares a process between environments, and shares it within one`() async throws {
        let host = ScriptFixture.host()
        defer { host.stop() }
        let seen = Mutex<[Int64: Set<Int32>]>([:])
        let functions = FakeFunctions(answer: { [host] _, _ in
            seen.withLock { seen in
                for (environment, processIDs) in host.processIDs {
                    seen[environment, default: []].formUnion(processIDs)
                }
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
