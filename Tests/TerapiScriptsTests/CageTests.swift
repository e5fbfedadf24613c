import Foundation
import Synchronization
import TerapiCore
import TerapiScripts
import TestSupport
import Testing

#if os(Linux)
import Glibc

@Suite(.timeLimit(.minutes(1)))
struct CageTests {
    /// What code that runs outside of the engine would try first.
    static let attempts = [
        "socket", "local socket", "read a file", "write a file", "execute", "fork", "signal the parent",
        "signal a thread of the parent", "trace the parent", "read the parent's memory", "a descriptor of the parent",
        "a namespace", "become root", "io_uring",
    ]

    @Test(arguments: attempts)
    func `native code in the cage reaches nothing`(attempt: String) throws {
        #expect(try answer("caged", attempt).hasPrefix("refused"))
    }

    /// The control: without the cage the same attempts succeed, for root at least.
    @Test(.enabled(if: geteuid() == 0), arguments: attempts)
    func `native code outside of the cage reaches it all`(attempt: String) throws {
        #expect(try answer("free", attempt) == "done")
    }

    @Test
    func `the cage leaves what the engine needs`() throws {
        #expect(try answer("caged", "nothing") == "done")
    }

    @Test
    func `a host is started with its own settings, its socket, and nothing of the server's`() async throws {
        setenv("TERAPI_TEST_SECRET", "canary", 1)
        let file = open("/dev/null", O_RDONLY)
        defer { close(file) }
        let host = ScriptHost(executable: FixtureProgram.scriptHost, arguments: ["report"])
        defer { host.stop() }

        let result = try await host.run(ScriptFixture.action("return 1"), functions: FakeFunctions())

        let report = try JSONReader.read(result)
        #expect(
            report["environment"] == [
                "JSC_forceRAMSize", "JSC_numberOfGCMarkers", "JSC_useWasm", "SWIFT_BACKTRACE",
                "TERAPI_HOST_FRAME_BYTES", "TERAPI_HOST_MEMORY_BYTES", "TERAPI_HOST_OUTPUT_BYTES",
                "TERAPI_HOST_TURN_SECONDS", "TZ",
            ])
        #expect(report["descriptors"] == [0, 1, 2, 3, 4])
        #expect(report["group"] == true)
    }

    @Test
    func `a host that runs scripts is in the cage`() async throws {
        let refused = Mutex<[String]>([])
        let host = ScriptHost(
            executable: FixtureProgram.scriptHost, arguments: ["script-host"],
            onRefusedWalls: { text in refused.withLock { $0.append(text) } })
        defer { host.stop() }
        _ = try await host.run(ScriptFixture.action("return 1"), functions: FakeFunctions())
        let processID = try #require(host.processIDs[1]?.first)

        let status = try String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)

        // Mode 2 is a filter.
        #expect(status.contains("Seccomp:\t2"))
        #expect(status.contains("NoNewPrivs:\t1"))
        if geteuid() == 0 {
            #expect(status.contains("Uid:\t65534\t65534\t65534\t65534"))
            #expect(status.contains("CapEff:\t0000000000000000"))
            let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(processID)/ns/net") != own)
        }
        #expect(refused.withLock { $0 } == [])
    }

    private func answer(_ place: String, _ attempt: String) throws -> String {
        // Foundation's Process looks at all open files of the process, which other tests open and close meanwhile.
        let output = try #require(popen("exec '\(FixtureProgram.scriptHost)' check-cage \(place) \"\(attempt)\"", "r"))
        defer { pclose(output) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, output)
        return String(decoding: bytes[..<count], as: UTF8.self).trimmingCharacters(in: .newlines)
    }
}
#endif
