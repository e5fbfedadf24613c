import TerapiCore
import TerapiStorage
import Testing

@testable import TerapiEngine

/// What an end user's browser may say about a connection, and what only the team or the provider may.
@Suite(.timeLimit(.minutes(1)))
struct ConnectorTrustTests {
    @Test
    func `an end user cannot say whose events a connection gets`() async throws {
        let fixture = try await EngineFixture()
        var rule = ProviderWebhookRule()
        rule.routes = [.init(value: try WebhookExpression("body:team_id"), match: .field("team_id"))]
        fixture.providers.setWebhook(rule)
        try await fixture.createIntegration("keyed")
        fixture.providers.setWebhook(rule, of: "keyed")
        let session = try await fixture.session()

        let browser = await expect(.invalidBody) {
            try await fixture.begin("desk", session, config: ["team_id": "T-victim"])
        }
        let form = await expect(.invalidBody) {
            _ = try await fixture.engine.connector.connect(
                session: session, integrationKey: "keyed", connectionID: nil, config: ["team_id": "T-victim"],
                credentials: .apiKey(Secret("key-1"))
            )
        }

        for error in [browser, form] { #expect(error?.issues.map(\.path) == [["connection_config", "team_id"]]) }
        // What nothing depends on passes, and the team says in the session what it likes.
        let trusted = try await fixture.session { session in
            var defaults = ConnectSession.Defaults()
            defaults.connectionConfig = ["team_id": "T-1"]
            session.defaults = ["desk": defaults]
        }
        let redirect = try await fixture.begin("desk", trusted, config: ["colour": "red"])
        let config = try await fixture.connected(await fixture.finish("desk", redirect))?.config
        #expect(config == ["team_id": "T-1", "colour": "red", "account": "a-1"])
    }

    @Test
    func `a part of the address that a form asks for is the end user's, and what else finds events is not`()
        async throws
    {
        let fixture = try await EngineFixture()
        var rule = ProviderWebhookRule()
        rule.routes = [
            .init(value: try WebhookExpression("body:shop"), match: .field("shop")),
            .init(value: try WebhookExpression("body:realm"), match: .field("realm")),
            .init(value: try WebhookExpression("body:team"), match: .field("team")),
        ]
        fixture.providers.setWebhook(rule)
        fixture.providers.setForm(
            [
                .init(name: "shop", title: "Shop"),
                .init(name: "realm", title: "Realm", isAutomated: true),
                .init(name: "team", title: "Team", isOptional: true),
            ],
            baseURL: "https://${connectionConfig.shop}.example"
        )
        let session = try await fixture.session()

        let error = await expect(.invalidBody) {
            try await fixture.begin("desk", session, config: ["shop": "s-1", "realm": "r-victim", "team": "t-victim"])
        }

        #expect(
            error?.issues.map(\.path) == [["connection_config", "realm"], ["connection_config", "team"]]
        )
        _ = try await fixture.begin("desk", session, config: ["shop": "s-1"])
    }

    /// A browser brings the number of an installation, and can bring any.
    @Test
    func `an installation that is one end user's is not given to another`() async throws {
        let fixture = try await EngineFixture()
        try await fixture.createIntegration("app")
        func connect(_ user: String, of organization: String? = nil, installation: String) async throws -> ConnectResult
        {
            let session = try await fixture.session(user: user) { $0.endUser?.organizationID = organization }
            let redirect = try await fixture.begin("app", session)
            return await fixture.finish("app", redirect, query: ["installation_id": installation])
        }

        let first = try await connect("owner", of: "acme", installation: "77")
        #expect(try await fixture.connected(first)?.config["installation_id"] == "77")
        let stolen = try await connect("thief", installation: "77")
        let alsoStolen = try await connect("thief", of: "evil", installation: "77")

        for result in [stolen, alsoStolen] {
            guard case .failure(let type, let message) = result.outcome else {
                Issue.record("the installation was given away")
                continue
            }
            #expect(type == "callback_err")
            #expect(message.contains("already connected"))
        }
        for (user, organization, installation) in [
            ("owner", "acme", "77"), ("colleague", "acme", "77"), ("thief", nil, "78"),
        ] {
            let result = try await connect(user, of: organization, installation: installation)
            #expect(try await fixture.connected(result) != nil, "\(user)")
        }
    }
}

extension EngineFixture {
    fileprivate func createIntegration(_ key: String) async throws {
        _ = try await storage.createIntegration(
            Integration(
                scope: scope, key: key, provider: key, displayName: key, createdAt: clock.now, updatedAt: clock.now
            )
        )
    }

    fileprivate func begin(
        _ key: String,
        _ session: ConnectSession,
        config: JSONObject = [:]
    ) async throws -> ConnectRedirect {
        try await engine.connector.begin(ConnectStart(session: session, integrationKey: key, config: config))
    }

    fileprivate func finish(
        _ key: String,
        _ redirect: ConnectRedirect,
        query: [String: String] = ["code": "good"]
    ) async -> ConnectResult {
        await engine.connector.finish(
            integrationKey: key,
            query: query.merging(["state": redirect.state]) { $1 },
            browserSecret: redirect.browserSecret.reveal()
        )
    }

    fileprivate func connected(_ result: ConnectResult) async throws -> Connection? {
        guard case .success(let id) = result.outcome, let key = result.integrationKey else { return nil }
        return try await storage.connection(id, integrationKey: key, in: scope)
    }
}
