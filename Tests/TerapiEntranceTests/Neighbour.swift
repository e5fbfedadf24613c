import TerapiCore
import TestSupport

/// A provider that may be reached while the trap may not: it stands at `::1`.
enum Neighbour {
    static let network = "::1/128"

    /// Whether a URL names this very place, in any spelling.
    static func isNamed(by url: String) -> Bool {
        let host = Entrance.authority(url).lowercased().prefix { $0 != "]" }
        return ["[::1", "[0:0:0:0:0:0:0:1", "[0000:0000:0000:0000:0000:0000:0000:0001"].contains(host)
            || host.hasPrefix("ip6-localhost")
    }

    static func with<Result: Sendable>(
        answering answer: @escaping @Sendable (LoopbackServer.Request) -> LoopbackServer.Answer,
        use body: (_ url: String) async throws -> Result
    ) async throws -> Result {
        let server = try await LoopbackServer(host: "::1", answer: answer)
        do {
            let result = try await body("http://[::1]:\(server.port)")
            await server.close()
            return result
        } catch {
            await server.close()
            throw error
        }
    }
}
