import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import Synchronization
import TerapiCore

@testable import TerapiAPI

struct FixedClock: WallClock {
    let now = Timestamp(microseconds: 1_800_000_000_000_000)
    func sleep(until moment: Timestamp) async throws {}
}

/// A small installation with two environments, and the interface in front of it.
///
/// `dev` (1) has the integrations `zendesk` and `keyed` and the connection `c1`; `prod` (2) has `zendesk` and `theirs`.
/// Everything of `dev` that must not be seen from `prod` holds the words `dev-canary`.
struct World: Sendable {
    let storage = FakeStorage()
    let engine = FakeEngine()
    let hooks = FakeProviderWebhooks()
    let api: API
    let devKey = Token.random(.apiKey)
    let prodKey = Token.random(.apiKey)
    /// A key of `dev` that may do nothing.
    let bareKey = Token.random(.apiKey)
    let sessionToken = Token.random(.connectSession)
    let attemptID = String(repeating: "a", count: 64)
    let clock = FixedClock()

    init(publicURL: String = "http://localhost:3003", maxBodyBytes: Int = 10_000_000) {
        self.init(
            configuration: APIConfiguration(
                publicURL: publicURL, maxBodyBytes: maxBodyBytes, maxDeployBytes: maxBodyBytes
            )
        )
    }

    init(configuration: APIConfiguration) {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        api = API(
            ports: APIPorts(
                settings: storage, connections: storage, records: storage, webhooks: storage, logs: storage,
                providers: engine, connectFlow: engine, credentials: engine, syncControl: engine, actionControl: engine,
                deployControl: engine, functionControl: engine, proxyControl: engine, providerWebhooks: hooks,
                deliveryControl: engine, clock: clock
            ),
            configuration: configuration,
            logger: logger
        )
        let dev = EnvironmentScope(environmentID: 1)
        let prod = EnvironmentScope(environmentID: 2)
        let now = clock.now
        let session = ConnectSession(
            id: 5, scope: dev, endUser: EndUser(id: "user-dev-canary"), allowedIntegrations: ["zendesk", "keyed"],
            allowedOrigins: ["https://app.example.com"],
            defaults: ["zendesk": .init(connectionConfig: ["region": "eu"])], expiresAt: now + .seconds(60)
        )
        var history = WebhookEvent(
            id: "msg_1", scope: dev, connectionID: 1, kind: .sync, body: Array(#"{"x":"dev-canary"}"#.utf8),
            urls: ["https://hooks.example.com"], createdAt: now
        )
        history.urls = []
        let delivery = WebhookDelivery(
            id: 9, event: history, url: "https://hooks.example.com", state: .delivered, attempts: 1, nextAttemptAt: nil
        )
        let attempt = DeliveryAttempt(number: 1, startedAt: now, duration: .milliseconds(12), status: 200, error: nil)
        let events = [WebhookHistory(event: history, deliveries: [(delivery, [attempt])])]
        let operation = LogOperation(
            id: "op1", scope: dev, kind: .syncRun, message: "dev-canary run", createdAt: now
        )
        let message = LogMessage(operationID: "op1", level: .info, message: "dev-canary line", createdAt: now)
        storage.state.withLock { [devKey, prodKey, bareKey, sessionToken, attemptID] state in
            for (scope, name) in [(dev, "dev"), (prod, "prod")] {
                state.environments.append(
                    TerapiCore.Environment(
                        id: scope.environmentID, uuid: "uuid-\(name)", name: name, settings: EnvironmentSettings(),
                        createdAt: now
                    )
                )
                state.variables[scope.environmentID] = [
                    EnvironmentVariable(name: "REGION", value: Secret("\(name)-canary"))
                ]
                state.signingKeys[scope.environmentID] = [
                    WebhookSigningKey(
                        id: scope.environmentID, secret: Secret("whsec_\(name)-canary"), createdAt: now, expiresAt: nil
                    )
                ]
                state.integrations.append(
                    Integration(
                        id: scope.environmentID, scope: scope, key: "zendesk", provider: "zendesk",
                        displayName: "Zendesk \(name)-canary",
                        credentials: IntegrationCredentials(
                            type: "OAUTH2", clientID: "client", clientSecret: Secret("client-secret-canary"),
                            scopes: ["read"]
                        ),
                        createdAt: now, updatedAt: now
                    )
                )
                state.connections.append(
                    Connection(
                        id: scope.environmentID, scope: scope, integrationID: scope.environmentID,
                        connectionID: name == "dev" ? "c1" : "theirs", integrationKey: "zendesk", provider: "zendesk",
                        metadata: ["note": .string("\(name)-canary")], tags: ["team": "blue"],
                        endUser: EndUser(id: "user-\(name)"), createdAt: now, updatedAt: now
                    )
                )
            }
            state.integrations.append(
                Integration(
                    id: 3, scope: dev, key: "keyed", provider: "keyed", displayName: "Keyed <b>", createdAt: now,
                    updatedAt: now
                )
            )
            for (token, scope, scopes) in [
                (devKey, dev, Set(APIScope.allCases)), (prodKey, prod, Set(APIScope.allCases)),
                (bareKey, dev, Set<APIScope>()),
            ] {
                state.keys[token.hash] = APIKey(
                    id: state.row(), scope: scope, displayName: "key", scopes: scopes, createdAt: now, lastUsedAt: nil
                )
            }
            state.sessions[sessionToken.hash] = session
            state.attempts = [
                ConnectAttempt(
                    id: attemptID, sessionID: 5, scope: dev, integrationKey: "zendesk",
                    state: .success(connectionID: "c-dev-canary"), createdAt: now
                )
            ]
            state.events = events
            state.operations = [operation]
            state.messages = [message]
        }
    }

    /// Adds a key of `dev` with these scopes only.
    func key(_ scopes: Set<APIScope>) -> Token {
        let token = Token.random(.apiKey)
        storage.state.withLock { state in
            state.keys[token.hash] = APIKey(
                id: state.row(), scope: EnvironmentScope(environmentID: 1), displayName: "narrow", scopes: scopes,
                createdAt: clock.now, lastUsedAt: nil
            )
        }
        return token
    }

    func send(
        _ method: HTTPRequest.Method,
        _ uri: String,
        bearer: Token? = nil,
        headers: HTTPFields = [:],
        body: String? = nil
    ) async throws -> Answer {
        var headers = headers
        if let bearer, headers[.authorization] == nil { headers[.authorization] = "Bearer \(bearer.text.reveal())" }
        if body != nil, headers[.contentType] == nil { headers[.contentType] = "application/json" }
        let application = Application(responder: api.responder(routes: api.publicRoutes))
        return try await application.test(.router) { [headers] client in
            try await client.execute(
                uri: uri, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }
            ) {
                Answer(status: $0.status.code, headers: $0.headers, body: String(buffer: $0.body))
            }
        }
    }
}

struct Answer: Sendable {
    var status: Int
    var headers: HTTPFields
    var body: String

    var json: JSONValue? { try? JSONReader.read(body) }
    var code: String? { json?["error"]?["code"]?.string }
    var paths: [[String]] {
        json?["error"]?["errors"]?.array?.map { $0["path"]?.array?.compactMap(\.string) ?? [] } ?? []
    }
}

extension HTTPFields {
    /// Fields by names that a test writes.
    init(_ fields: [(name: String, value: String)]) {
        self.init()
        for field in fields {
            guard let name = HTTPField.Name(field.name) else { preconditionFailure("\(field.name) is no header") }
            self[name] = field.value
        }
    }
}
