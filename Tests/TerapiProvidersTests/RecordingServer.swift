import Synchronization
import TerapiCore
import TestSupport

@testable import TerapiProviders

/// Plays every provider of the catalogue on loopback: `https://api.example/x` arrives there as `/https/api.example/x`.
final class RecordingServer: Sendable {
    private let server: LoopbackServer
    private let client = ProviderClient(guardedBy: OutboundGuard(allowed: [CIDR("127.0.0.0/8")].compactMap(\.self)))

    /// Everything that token answers of the catalogue's providers bring beside the tokens; Withings puts all into `body`.
    private static func answer(_ request: LoopbackServer.Request) -> LoopbackServer.Answer {
        let tokens = #""access_token": "token-1", "refresh_token": "refresh-1", "expires_in": 3600"#
        guard !request.target.contains("wbsapi.withings.net") else {
            return .json(#"{"status": 0, "body": {\#(tokens), "userid": "7"}}"#)
        }
        let urls = #""api_domain": "https://acme.pipedrive.com", "instance_url": "https://acme.my.salesforce.com""#
        return .json("{\(tokens), \(urls), \"x_user_id\": 7}")
    }

    init() async throws {
        server = try await LoopbackServer { Self.answer($0) }
    }

    /// What arrived, with the URL that it was meant for.
    var requests: [(url: String, request: LoopbackServer.Request)] {
        server.requests.map { request in
            (String(request.target.dropFirst()).replacing("https/", with: "https://", maxReplacements: 1), request)
        }
    }

    func close() async {
        await client.close()
        await server.close()
    }

    func requests(now: Timestamp = Sample.now) throws -> ProviderRequests {
        ProviderRequests(catalog: try ProviderCatalog.load(), client: Detour(self), clock: FixedClock(now: now))
    }

    private struct Detour: OutboundClient {
        let recording: RecordingServer

        init(_ recording: RecordingServer) {
            self.recording = recording
        }

        func send(_ request: OutboundRequest) async throws -> OutboundResponse {
            try await recording.client.send(detour(request))
        }

        func open(_ request: OutboundRequest, body: ByteFlow?) async throws -> any OutboundAnswer {
            try await recording.client.open(detour(request), body: body)
        }

        private func detour(_ request: OutboundRequest) -> OutboundRequest {
            var request = request
            request.url = "\(recording.server.url)/" + request.url.replacing("://", with: "/", maxReplacements: 1)
            return request
        }
    }
}
