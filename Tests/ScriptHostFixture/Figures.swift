import Foundation
import Synchronization
import TerapiCore
import TerapiScripts

/// Measures script hosts as a server uses them: `figures waiting 1000`, `figures actions 5`, `figures sync 100000`.
enum Figures {
    static func main(_ arguments: [String]) async {
        let count = arguments.dropFirst().first.flatMap(Int.init) ?? 1000
        let limits = ScriptLimits(maxRunsPerHost: arguments.dropFirst(2).first.flatMap(Int.init) ?? 256)
        let executable = "/proc/self/exe"
        let host = ScriptHost(
            executable: (try? FileManager.default.destinationOfSymbolicLink(atPath: executable)) ?? executable,
            arguments: ["script-host"], limits: limits, onRefusedWalls: { print("refused: \($0)") })
        defer { host.stop() }
        do {
            switch arguments.first {
            case "waiting": try await waiting(count, host)
            case "actions": try await actions(seconds: count, host)
            case "sync": try await sync(count, host)
            default: print("figures waiting|actions|sync NUMBER")
            }
        } catch {
            print("failed: \(error)")
        }
    }

    /// Runs that all wait for an answer: what they hold in memory.
    private static func waiting(_ count: Int, _ host: ScriptHost) async throws {
        let provider = SlowProvider(expected: count)
        let first = resident(ProcessInfo.processInfo.processIdentifier)
        let begin = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<count {
                group.addTask {
                    _ = try await host.run(
                        invocation(
                            .sync,
                            """
                            const { data } = await terapi.get({ endpoint: '/slow' });
                            await terapi.batchSave(data, 'Ticket');
                            """),
                        functions: provider)
                }
            }
            await provider.allWait()
            let started = ContinuousClock.now - begin
            try await Task.sleep(for: .seconds(2))
            let own = resident(ProcessInfo.processInfo.processIdentifier)
            let hosts = host.processIDs.values.joined().map { resident($0) }
            print("\(count) runs wait after \(started); hosts \(hosts) kB, this process \(first) -> \(own) kB,")
            print("together \(hosts.reduce(own, +)) kB")
            provider.answer()
            try await group.waitForAll()
        }
        try await Task.sleep(for: .milliseconds(200))
        print("afterwards hosts \(host.processIDs.values.joined().map { resident($0) }) kB")
    }

    /// Actions without requests, as many at once as there are cores and more.
    private static func actions(seconds: Int, _ host: ScriptHost) async throws {
        let action = invocation(.action, "return { sum: input.a + 1 };", input: ["a": 1])
        let functions = SlowProvider(expected: 0)
        _ = try await host.run(action, functions: functions)
        for width in [1, 4, 16] {
            let end = ContinuousClock.now + .seconds(seconds)
            let times = try await withThrowingTaskGroup(of: [Duration].self) { group in
                for _ in 0..<width {
                    group.addTask {
                        var times: [Duration] = []
                        while ContinuousClock.now < end {
                            let begin = ContinuousClock.now
                            _ = try await host.run(action, functions: functions)
                            times.append(ContinuousClock.now - begin)
                        }
                        return times
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            let sorted = times.sorted()
            print(
                "\(width) at once: \(sorted.count / seconds) a second, median \(sorted[sorted.count / 2]), "
                    + "p99 \(sorted[sorted.count * 99 / 100])")
        }
        print("hosts \(host.processIDs.values.joined().map { resident($0) }) kB")
    }

    /// Records of 1 KB, a thousand a page.
    private static func sync(_ count: Int, _ host: ScriptHost) async throws {
        let provider = SlowProvider(expected: 0)
        let begin = ContinuousClock.now
        _ = try await host.run(
            invocation(
                .sync,
                """
                for (let page = 0; page < \(count / 1000); page++) {
                    const { data } = await terapi.get({ endpoint: '/page', params: { page } });
                    await terapi.batchSave(data.map((item) => ({ id: `${page}-${item.id}`, text: item.text })), 'Ticket');
                }
                """),
            functions: provider)
        let time = ContinuousClock.now - begin
        print("\(count) records in \(time);")
        print("hosts \(host.processIDs.values.joined().map { resident($0) }) kB at its end,")
        try await Task.sleep(for: .seconds(2))
        print(
            "\(host.processIDs.values.joined().map { resident($0) }) kB two seconds later; "
                + "at most \(host.processIDs.values.joined().map { resident($0, "VmHWM") }) kB")
    }

    private static func invocation(
        _ kind: ScriptInvocation.Kind, _ body: String, input: JSONValue? = nil
    ) -> ScriptInvocation {
        let create = kind == .sync ? "createSync" : "createAction"
        return ScriptInvocation(
            environmentID: 1, kind: kind, name: "desk/figures",
            code: "module.exports = require('terapi').\(create)({ exec: async (terapi, input) => {\n\(body)\n} });",
            properties: ["connectionId": "c", "providerConfigKey": "desk", "provider": "desk"], input: input,
            timeout: .seconds(600))
    }

    /// In kB.
    private static func resident(_ processID: Int32, _ field: String = "VmRSS") -> Int {
        let status = (try? String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix(field + ":") }
        return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }
}

/// Answers `/page` at once, and everything else when it is told to.
private final class SlowProvider: ScriptFunctions {
    private struct State {
        var waiting: [CheckedContinuation<Void, Never>] = []
        var isAnswering = false
    }

    private let state = Mutex(State())
    private let expected: Int
    private let everybody = AsyncStream.makeStream(of: Void.self)
    private let page: [UInt8]

    init(expected: Int) {
        self.expected = expected
        let items = (0..<1000).map { #"{"id":"\#($0)","text":"\#(String(repeating: "x", count: 980))"}"# }
        page = Array("[\(items.joined(separator: ","))]".utf8)
    }

    func allWait() async {
        for await _ in everybody.stream { return }
    }

    func answer() {
        let waiting = state.withLock { state in
            state.isAnswering = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        if request.endpoint == "/page" { return ScriptResponse(status: 200, headers: [], body: page) }
        await withCheckedContinuation { continuation in
            let (count, isAnswering) = state.withLock { state in
                if !state.isAnswering { state.waiting.append(continuation) }
                return (state.waiting.count, state.isAnswering)
            }
            if isAnswering { continuation.resume() }
            if count == expected { everybody.continuation.yield() }
        }
        return ScriptResponse(status: 200, headers: [], body: Array(#"[{"id":"1"}]"#.utf8))
    }

    func change(_ change: ScriptRecordChange) async throws {}

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue { .null }
}
