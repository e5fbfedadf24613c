import Synchronization
import TerapiCore
import TerapiStorage

@testable import TerapiEngine

/// An engine whose provider `desk` signs what it sends, and a connection that it knows as the account `a-1`.
struct WebhookFixture {
    static let secret = "the-secret"

    let base: EngineFixture
    /// What webhook functions got.
    let seen = Seen()

    final class Seen: Sendable {
        private let runs = Mutex<[ScriptInvocation]>([])

        func add(_ run: ScriptInvocation) { runs.withLock { $0.append(run) } }
        var all: [ScriptInvocation] { runs.withLock { $0 } }
    }

    var engine: Engine { base.engine }
    var storage: SQLStorage { base.storage }

    init(
        subscriptions: [String] = ["*"],
        rule change: (inout ProviderWebhookRule) throws -> Void = { _ in },
        custom: JSONObject = ["webhook_secret": .string(secret)],
        settings: (inout EnvironmentSettings) -> Void = { _ in }
    ) async throws {
        let sync = try EngineFixture.definition(webhookSubscriptions: subscriptions)
        base = try await EngineFixture(syncs: [sync], settings: settings)
        var rule = try Self.rule()
        try change(&rule)
        base.providers.setWebhook(rule)
        var integration = base.integration
        integration.custom = custom
        try await base.storage.updateIntegration(integration)
        try await base.storage.setConfig(["account": "a-1"], row: base.connection.id, now: base.clock.now)
        base.scripts.set { [seen] run in seen.add(run.invocation) }
    }

    static func rule() throws -> ProviderWebhookRule {
        var rule = ProviderWebhookRule()
        rule.keys["secret"] = ProviderWebhookRule.Key([.subscription, .userDefined("webhook_secret"), .clientSecret])
        rule.verification = .signature(
            .init(.hmac(.sha256), key: "secret", message: [.rawBody], place: .init(source: .header("x-sig"))))
        rule.event = try WebhookExpression("body:type")
        rule.id = try WebhookExpression("body:id")
        rule.routes = [.init(value: try WebhookExpression("body:account"), match: .field("account"))]
        return rule
    }

    func address(_ token: Secret? = nil, key: String = "desk") -> ProviderWebhookAddress {
        ProviderWebhookAddress(environment: base.environment.uuid, integrationKey: key, token: token)
    }

    /// Sends what the provider would, signed with its secret.
    @discardableResult
    func send(
        _ body: String,
        secret: String? = WebhookFixture.secret,
        method: String = "POST",
        query: String = "",
        headers: [(String, String)] = [],
        to address: ProviderWebhookAddress? = nil,
        engine: Engine? = nil
    ) async throws -> ProviderWebhookAnswer {
        var sent = headers.map { ProviderWebhookRequest.Header($0.0, $0.1) }
        if let secret {
            sent.append(.init("x-sig", hex(hmacSHA256(key: Array(secret.utf8), Array(body.utf8)))))
        }
        return try await (engine ?? self.engine).providerWebhooks.receive(
            ProviderWebhookRequest(
                method: method, url: "https://terapi.example/webhook/x/desk\(query)", headers: sent,
                body: Array(body.utf8)),
            at: address ?? self.address()
        )
    }

    func kept(_ state: ProviderWebhook.State? = nil) async throws -> [ProviderWebhook] {
        try await storage.providerWebhooks(
            ProviderWebhookFilter(states: [state].compactMap(\.self), limit: 1000), in: base.scope)
    }

    /// Hands on what has come.
    /// - Returns: the payloads that webhook functions got so far.
    @discardableResult
    func work() async throws -> [JSONValue] {
        try await engine.providerWebhookWorker.runOnce()
        try await engine.actionWorker.runOnce()
        return seen.all.compactMap(\.input)
    }

    static func event(_ id: String = "e-1", type: String = "ticket.changed", account: String = "a-1") -> String {
        #"{"type":"\#(type)","id":"\#(id)","account":"\#(account)","n":1}"#
    }
}
