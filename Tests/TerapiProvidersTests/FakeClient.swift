import Synchronization
import TerapiCore
import TestSupport

@testable import TerapiProviders

/// Answers without a network and remembers what was sent.
final class FakeClient: OutboundClient {
    private let sent = Mutex<[OutboundRequest]>([])
    private let answer: @Sendable (OutboundRequest) throws -> OutboundResponse

    init(_ answer: @escaping @Sendable (OutboundRequest) throws -> OutboundResponse) {
        self.answer = answer
    }

    convenience init(status: Int = 200, _ body: String = "{}") {
        self.init { OutboundResponse(status: status, headers: [], body: Array(body.utf8), url: $0.url) }
    }

    var requests: [OutboundRequest] { sent.withLock { $0 } }

    func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        sent.withLock { $0.append(request) }
        return try answer(request)
    }

    func open(_ request: OutboundRequest, body: ByteFlow?) async throws -> any OutboundAnswer {
        var request = request
        if let body { request.body = try await body.collected(limit: .max) }
        let response = try await send(request)
        return GivenAnswer(response.status, headers: response.headers, url: response.url, body: response.body)
    }
}

/// Stands still.
struct FixedClock: WallClock {
    var now = Timestamp(microseconds: 1_700_000_000_000_000)

    func sleep(until moment: Timestamp) async throws {}
}

extension OutboundRequest {
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
    var text: String { String(decoding: body ?? [], as: UTF8.self) }
}

enum Sample {
    static let now = FixedClock().now

    static func integration(
        _ provider: String,
        secret: String = "top-secret",
        scopes: [String] = [],
        custom: JSONObject = [:]
    ) -> Integration {
        Integration(
            scope: EnvironmentScope(environmentID: 1),
            key: provider,
            provider: provider,
            displayName: provider,
            credentials: IntegrationCredentials(
                type: "OAUTH2",
                clientID: "client-1",
                clientSecret: Secret(secret),
                scopes: scopes
            ),
            custom: custom,
            createdAt: now,
            updatedAt: now
        )
    }

    static func access(
        _ provider: String,
        config: JSONObject = [:],
        credentials: Credentials,
        custom: JSONObject = [:]
    ) -> ConnectionAccess {
        ConnectionAccess(
            integration: integration(provider, custom: custom),
            connectionID: "c",
            config: config,
            credentials: credentials
        )
    }

    static let tokens = Credentials.oauth2(
        OAuth2Credentials(
            accessToken: Secret("old-access"),
            refreshToken: Secret("old-refresh"),
            expiresAt: now,
            scopes: ["read"]
        )
    )

    static func requests(_ client: FakeClient, extra: String? = nil) throws -> ProviderRequests {
        let files = extra.map { [ProviderCatalog.File(path: "acme.yaml", name: "acme", text: $0)] } ?? []
        let catalog = try files.isEmpty ? ProviderCatalog.load() : ProviderCatalog(files: files)
        return ProviderRequests(catalog: catalog, client: client, clock: FixedClock())
    }
}
