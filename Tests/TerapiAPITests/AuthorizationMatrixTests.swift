import HTTPTypes
import TerapiCore
import Testing

@testable import TerapiAPI

/// One row for each route: an address that works for the environment `dev`, and how it looks from elsewhere.
struct AuthorizationRow: Sendable, CustomTestStringConvertible {
    var method: HTTPRequest.Method
    var path: String
    var uri: String
    var body: String?
    var headers: HTTPFields = [:]
    /// The status for a caller who may.
    var status = 200
    /// The same with an id that nobody has, for routes that name something: `prod` must get the very same answer.
    var absentURI: String?
    var absentBody: String?

    var testDescription: String { "\(method.rawValue) \(path)" }

    static let keyedHeaders = HTTPFields([("Provider-Config-Key", "keyed"), ("Connection-Id", "c1")])
    static let connectionHeaders = HTTPFields([("Provider-Config-Key", "zendesk"), ("Connection-Id", "c1")])

    static let all: [AuthorizationRow] = {
        let id = String(repeating: "a", count: 64)
        let syncBody = #"{"provider_config_key":"zendesk","connection_id":"c1","syncs":["tickets"]}"#
        let metadataBody = #"{"provider_config_key":"zendesk","connection_id":"c1","metadata":{"a":1}}"#
        let absentMetadata = #"{"provider_config_key":"zendesk","connection_id":"nobody","metadata":{"a":1}}"#
        let imported =
            #"{"provider_config_key":"zendesk","connection_id":"n1","credentials":{"type":"OAUTH2","access_token":"t"}}"#
        let deployment = #"{"scripts":[{"provider_config_key":"zendesk","kind":"sync","name":"tickets","code":"1"}]}"#
        let function = #""integration_id":"zendesk","type":"action","name":"open","code":"1""#
        let invocation =
            #"{"connection_id":"c1","integration_id":"zendesk","name":"NAME","invocation_type":"wait"}"#
        let variantBody = #"{"provider_config_key":"zendesk","connection_id":"c1"}"#
        let flat = #"{"provider_config_key":"zendesk","connection_id":"n1","access_token":"t"}"#
        return [
            .init(
                method: .post, path: "/action/trigger", uri: "/action/trigger",
                body: #"{"action_name":"create-ticket"}"#, headers: connectionHeaders, absentURI: "/action/trigger",
                absentBody: #"{"action_name":"nothing"}"#),
            .init(
                method: .post, path: "/functions/invocations", uri: "/functions/invocations",
                body: invocation.replacing("NAME", with: "create-ticket"), absentURI: "/functions/invocations",
                absentBody: invocation.replacing("NAME", with: "nothing")),
            .init(
                method: .get, path: "/action/:actionId", uri: "/action/a-1", status: 202, absentURI: "/action/nothing"),
            .init(method: .get, path: "/health", uri: "/health"),
            .init(method: .get, path: "/ready", uri: "/ready"),
            .init(method: .get, path: "/records", uri: "/records?model=Ticket", headers: connectionHeaders),
            .init(method: .get, path: "/connections", uri: "/connections"),
            .init(method: .post, path: "/connections", uri: "/connections", body: imported, status: 201),
            .init(
                method: .post, path: "/connections/metadata", uri: "/connections/metadata", body: metadataBody,
                status: 201,
                absentURI: "/connections/metadata", absentBody: absentMetadata),
            .init(
                method: .patch, path: "/connections/metadata", uri: "/connections/metadata", body: metadataBody,
                absentURI: "/connections/metadata", absentBody: absentMetadata),
            .init(
                method: .get, path: "/connections/:connectionId", uri: "/connections/c1?provider_config_key=zendesk",
                absentURI: "/connections/nobody?provider_config_key=zendesk"),
            .init(
                method: .patch, path: "/connections/:connectionId", uri: "/connections/c1?provider_config_key=zendesk",
                body: #"{"tags":{"a":"b"}}"#, absentURI: "/connections/nobody?provider_config_key=zendesk"),
            .init(
                method: .delete, path: "/connections/:connectionId", uri: "/connections/c1?provider_config_key=zendesk",
                absentURI: "/connections/nobody?provider_config_key=zendesk"),
            .init(method: .get, path: "/connection", uri: "/connection"),
            .init(method: .post, path: "/connection", uri: "/connection", body: flat, status: 201),
            .init(
                method: .post, path: "/connection/metadata", uri: "/connection/metadata", body: metadataBody,
                status: 201,
                absentURI: "/connection/metadata", absentBody: absentMetadata),
            .init(
                method: .patch, path: "/connection/metadata", uri: "/connection/metadata", body: metadataBody,
                absentURI: "/connection/metadata", absentBody: absentMetadata),
            .init(
                method: .get, path: "/connection/:connectionId", uri: "/connection/c1?provider_config_key=zendesk",
                absentURI: "/connection/nobody?provider_config_key=zendesk"),
            .init(
                method: .delete, path: "/connection/:connectionId", uri: "/connection/c1?provider_config_key=zendesk",
                absentURI: "/connection/nobody?provider_config_key=zendesk"),
            .init(
                method: .post, path: "/connection/:connectionId/metadata", uri: "/connection/c1/metadata",
                body: #"{"a":1}"#,
                headers: connectionHeaders, status: 201, absentURI: "/connection/nobody/metadata"),
            .init(
                method: .patch, path: "/connection/:connectionId/metadata", uri: "/connection/c1/metadata",
                body: #"{"a":1}"#,
                headers: connectionHeaders, absentURI: "/connection/nobody/metadata"),
            .init(
                method: .post, path: "/connect/sessions", uri: "/connect/sessions", body: #"{"end_user":{"id":"u"}}"#,
                status: 201),
            .init(
                method: .post, path: "/connect/sessions/reconnect", uri: "/connect/sessions/reconnect",
                body: #"{"connection_id":"c1","integration_id":"zendesk"}"#, status: 201,
                absentURI: "/connect/sessions/reconnect",
                absentBody: #"{"connection_id":"nobody","integration_id":"zendesk"}"#),
            .init(method: .get, path: "/connect/session", uri: "/connect/session"),
            .init(method: .delete, path: "/connect/session", uri: "/connect/session", status: 204),
            .init(method: .get, path: "/connect/attempts/:attemptId", uri: "/connect/attempts/\(id)"),
            .init(method: .get, path: "/connect/:token", uri: "/connect/terapi_connect_session_0", status: 401),
            .init(method: .get, path: "/connect/assets/:name", uri: "/connect/assets/connect.js"),
            .init(method: .get, path: "/oauth/connect/:uniqueKey", uri: "/oauth/connect/zendesk", status: 302),
            .init(method: .get, path: "/oauth/callback", uri: "/oauth/callback?state=x", status: 400),
            .init(
                method: .get, path: "/oauth/callback/:uniqueKey", uri: "/oauth/callback/zendesk?state=x", status: 400),
            .init(
                method: .post, path: "/api-auth/api-key/:uniqueKey", uri: "/api-auth/api-key/keyed",
                body: #"{"apiKey":"k"}"#),
            .init(
                method: .post, path: "/api-auth/basic/:uniqueKey", uri: "/api-auth/basic/keyed",
                body: #"{"username":"u","password":"p"}"#),
            .init(method: .post, path: "/auth/unauthenticated/:uniqueKey", uri: "/auth/unauthenticated/keyed"),
            .init(
                method: .post, path: "/oauth2/auth/:uniqueKey", uri: "/oauth2/auth/keyed", body: #"{"client_id":"c"}"#),
            .init(
                method: .post, path: "/auth/tba/:uniqueKey", uri: "/auth/tba/keyed",
                body: #"{"token_id":"t","token_secret":"s"}"#),
            .init(method: .post, path: "/auth/jwt/:uniqueKey", uri: "/auth/jwt/keyed", body: #"{"privateKey":"k"}"#),
            .init(method: .post, path: "/auth/bill/:uniqueKey", uri: "/auth/bill/keyed", body: #"{"username":"u"}"#),
            .init(
                method: .post, path: "/auth/two-step/:uniqueKey", uri: "/auth/two-step/keyed", body: #"{"user":"u"}"#),
            .init(
                method: .post, path: "/auth/signature/:uniqueKey", uri: "/auth/signature/keyed",
                body: #"{"username":"u"}"#),
            .init(
                method: .post, path: "/auth/aws-sigv4/:uniqueKey", uri: "/auth/aws-sigv4/keyed",
                body: #"{"role_arn":"r"}"#),
            .init(method: .get, path: "/app-auth/connect", uri: "/app-auth/connect?state=x", status: 400),
            .init(
                method: .get, path: "/oauth/client-metadata/:environmentUuid/:uniqueKey",
                uri: "/oauth/client-metadata/uuid-dev/zendesk", status: 404),
            .init(method: .get, path: "/providers", uri: "/providers"),
            .init(method: .get, path: "/providers/:provider", uri: "/providers/zendesk"),
            .init(method: .get, path: "/integrations", uri: "/integrations"),
            .init(method: .get, path: "/config", uri: "/config"),
            .init(
                method: .post, path: "/integrations", uri: "/integrations",
                body: #"{"unique_key":"new","provider":"keyed"}"#),
            .init(
                method: .get, path: "/integrations/:uniqueKey", uri: "/integrations/keyed",
                absentURI: "/integrations/nobody"),
            .init(
                method: .patch, path: "/integrations/:uniqueKey", uri: "/integrations/keyed",
                body: #"{"display_name":"x"}"#, absentURI: "/integrations/nobody"),
            .init(
                method: .delete, path: "/integrations/:uniqueKey", uri: "/integrations/keyed",
                absentURI: "/integrations/nobody"),
            .init(method: .get, path: "/scripts/config", uri: "/scripts/config"),
            .init(
                method: .get, path: "/integrations/:uniqueKey/functions", uri: "/integrations/keyed/functions",
                absentURI: "/integrations/nobody/functions"),
            .init(
                method: .get, path: "/integrations/:uniqueKey/functions/:name",
                uri: "/integrations/zendesk/functions/tickets"),
            .init(
                method: .get, path: "/integrations/:uniqueKey/functions/:name/code",
                uri: "/integrations/zendesk/functions/tickets/code",
                absentURI: "/integrations/zendesk/functions/nothing/code"),
            .init(
                method: .patch, path: "/integrations/:uniqueKey/functions/:name",
                uri: "/integrations/keyed/functions/send-mail", body: #"{"enabled":true}"#,
                absentURI: "/integrations/nobody/functions/send-mail"),
            .init(method: .get, path: "/providers/:provider/templates", uri: "/providers/keyed/templates"),
            .init(method: .get, path: "/models", uri: "/models"),
            .init(method: .get, path: "/models/:model", uri: "/models/ticket"),
            .init(
                method: .delete, path: "/integrations/:uniqueKey/functions/:name",
                uri: "/integrations/zendesk/functions/create-ticket"),
            .init(
                method: .post, path: "/functions/compile", uri: "/functions/compile", body: #"{"code":"1"}"#),
            .init(
                method: .post, path: "/functions/dryruns", uri: "/functions/dryruns",
                body: "{\(function),\"connection_id\":\"c1\"}", status: 202),
            .init(
                method: .get, path: "/functions/dryruns/:jobId", uri: "/functions/dryruns/j-1",
                absentURI: "/functions/dryruns/nothing"),
            .init(
                method: .post, path: "/functions/deployments", uri: "/functions/deployments", body: "{\(function)}",
                status: 202),
            .init(
                method: .get, path: "/functions/deployments/:jobId", uri: "/functions/deployments/j-2",
                absentURI: "/functions/deployments/nothing"),
            .init(
                method: .post, path: "/sync/deploy/confirmation", uri: "/sync/deploy/confirmation", body: deployment),
            .init(method: .post, path: "/sync/deploy", uri: "/sync/deploy", body: deployment),
            .init(method: .get, path: "/sync/deploy", uri: "/sync/deploy"),
            .init(
                method: .post, path: "/sync/deploy/rollback", uri: "/sync/deploy/rollback", body: #"{"version":2}"#,
                absentURI: "/sync/deploy/rollback", absentBody: #"{"version":99}"#),
            .init(method: .post, path: "/sync/trigger", uri: "/sync/trigger", body: syncBody),
            .init(method: .post, path: "/sync/start", uri: "/sync/start", body: syncBody),
            .init(method: .post, path: "/sync/pause", uri: "/sync/pause", body: syncBody),
            .init(
                method: .get, path: "/sync/status",
                uri: "/sync/status?provider_config_key=zendesk&syncs=*&connection_id=c1"),
            .init(
                method: .put, path: "/sync/update-connection-frequency", uri: "/sync/update-connection-frequency",
                body:
                    #"{"provider_config_key":"zendesk","connection_id":"c1","sync_name":"tickets","frequency":"every hour"}"#
            ),
            .init(
                method: .any, path: "/proxy/*", uri: "/proxy/tickets?page=2", headers: connectionHeaders,
                absentURI: "/proxy/tickets/nobody"),
            .init(
                method: .post, path: "/sync/:name/variant/:variant", uri: "/sync/tickets/variant/eu",
                body: variantBody, absentURI: "/sync/nothing/variant/eu"),
            .init(
                method: .delete, path: "/sync/:name/variant/:variant", uri: "/sync/tickets/variant/eu",
                body: variantBody, absentURI: "/sync/nothing/variant/eu"),
            .init(
                method: .post, path: "/webhook-events/replay", uri: "/webhook-events/replay",
                body: #"{"from":"2026-01-01T00:00:00Z"}"#, status: 202),
            .init(
                method: .post, path: "/webhook-events/:eventId/replay", uri: "/webhook-events/msg_1/replay",
                status: 202, absentURI: "/webhook-events/msg_2/replay"),
            .init(
                method: .post, path: "/mcp", uri: "/mcp", body: #"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
                headers: connectionHeaders),
            .init(method: .get, path: "/v1/openapi.json", uri: "/v1/openapi.json"),
            .init(method: .get, path: "/v1/*", uri: "/v1/crm/tickets", headers: connectionHeaders),
            .init(method: .post, path: "/v1/*", uri: "/v1/tickets", body: "{}", headers: connectionHeaders),
            .init(method: .put, path: "/v1/*", uri: "/v1/tickets/7", headers: keyedHeaders),
            .init(
                method: .patch, path: "/v1/*", uri: "/v1/tickets/7", headers: connectionHeaders, status: 404,
                absentURI: "/v1/tickets/7"),
            .init(method: .delete, path: "/v1/*", uri: "/v1/tickets", headers: connectionHeaders, status: 405),
            .init(method: .get, path: "/environment", uri: "/environment"),
            .init(
                method: .patch, path: "/environment", uri: "/environment", body: #"{"webhook":{"on_sync_error":false}}"#
            ),
            .init(method: .get, path: "/environment-variables", uri: "/environment-variables"),
            .init(method: .get, path: "/environment/webhook-signing-key", uri: "/environment/webhook-signing-key"),
            .init(
                method: .post, path: "/environment/webhook-signing-key/rotate",
                uri: "/environment/webhook-signing-key/rotate"),
            .init(method: .get, path: "/webhook-events", uri: "/webhook-events"),
            .init(
                method: .get, path: "/webhook-events/:eventId", uri: "/webhook-events/msg_1",
                absentURI: "/webhook-events/msg_2"),
            .init(
                method: .get, path: "/webhook/:environment/:uniqueKey", uri: "/webhook/uuid-dev/zendesk?challenge=1"),
            .init(
                method: .post, path: "/webhook/:environment/:uniqueKey", uri: "/webhook/uuid-dev/zendesk", body: "{}"),
            .init(
                method: .get, path: "/webhook/:environment/:uniqueKey/:token", uri: "/webhook/uuid-dev/zendesk/t"),
            .init(
                method: .post, path: "/webhook/:environment/:uniqueKey/:token", uri: "/webhook/uuid-dev/zendesk/t",
                body: "{}"),
            .init(method: .get, path: "/provider-webhooks", uri: "/provider-webhooks"),
            .init(
                method: .post, path: "/provider-webhooks/replay", uri: "/provider-webhooks/replay",
                body: #"{"state":"unmatched"}"#),
            .init(
                method: .get, path: "/provider-webhooks/:webhookId", uri: "/provider-webhooks/pwh_1",
                absentURI: "/provider-webhooks/pwh_2"),
            .init(
                method: .post, path: "/provider-webhooks/:webhookId/replay", uri: "/provider-webhooks/pwh_1/replay",
                absentURI: "/provider-webhooks/pwh_2/replay"),
            .init(method: .get, path: "/webhook-subscriptions", uri: "/webhook-subscriptions"),
            .init(
                method: .post, path: "/webhook-subscriptions", uri: "/webhook-subscriptions",
                body: #"{"provider_config_key":"zendesk","manual":true}"#, status: 201),
            .init(
                method: .post, path: "/webhook-subscriptions/:subscriptionId/renew",
                uri: "/webhook-subscriptions/3/renew", absentURI: "/webhook-subscriptions/4/renew"),
            .init(
                method: .delete, path: "/webhook-subscriptions/:subscriptionId", uri: "/webhook-subscriptions/3",
                absentURI: "/webhook-subscriptions/4"),
            .init(method: .get, path: "/logs/operations", uri: "/logs/operations"),
            .init(
                method: .get, path: "/logs/operations/:operationId/messages", uri: "/logs/operations/op1/messages",
                absentURI: "/logs/operations/op2/messages"),
        ]
    }()
}

/// Who may do what: every route, every kind of caller.
struct AuthorizationMatrixTests {
    private func access(of row: AuthorizationRow, in world: World) throws -> Route.Access {
        let route = world.api.publicRoutes.first { $0.method == row.method && $0.path == row.path }
        return try #require(route, "The row's route does not exist").access
    }

    private func send(
        _ row: AuthorizationRow, to world: World, bearer: Token? = nil, authorization: String? = nil
    ) async throws -> Answer {
        var headers = row.headers
        if let authorization { headers[.authorization] = authorization }
        return try await world.send(row.method, row.uri, bearer: bearer, headers: headers, body: row.body)
    }

    @Test func `has a row for every route and a route for every row`() {
        let routes = World().api.publicRoutes.map { "\($0.method.rawValue) \($0.path)" }
        let rows = AuthorizationRow.all.map { "\($0.method.rawValue) \($0.path)" }

        #expect(Set(routes).subtracting(rows).isEmpty)
        #expect(Set(rows).subtracting(routes).isEmpty)
        #expect(Set(routes).count == routes.count)
    }

    @Test(arguments: AuthorizationRow.all)
    func `lets in who may`(row: AuthorizationRow) async throws {
        let world = World()
        let token: Token? =
            switch try access(of: row, in: world) {
            case .anyone: nil
            case .key(let scope), .keyOrSession(let scope): world.key([scope])
            case .keyWithAny(let scopes): world.key(Set(scopes))
            case .session: world.sessionToken
            }

        let answer = try await send(row, to: world, bearer: token)

        #expect(answer.status == row.status, "\(answer.body)")
    }

    @Test(arguments: AuthorizationRow.all)
    func `refuses a caller without a key`(row: AuthorizationRow) async throws {
        let world = World()
        guard try access(of: row, in: world) != .anyone else { return }

        let none = try await send(row, to: world)
        let broken = try await send(row, to: world, authorization: "Basic abc")
        let form = try await send(row, to: world, authorization: "Bearer 0000")
        let unknown = try await send(row, to: world, bearer: Token.random(.apiKey))
        let expired = try await send(row, to: world, bearer: Token.random(.connectSession))

        for answer in [none, broken, form, unknown, expired] {
            #expect(answer.status == 401)
            #expect(!answer.body.contains("canary"))
        }
        if !row.path.hasPrefix("/oauth") {
            #expect(none.code == "missing_auth_header")
            #expect(broken.code == "malformed_auth_header")
        }
    }

    @Test(arguments: AuthorizationRow.all)
    func `names the scope that a key lacks`(row: AuthorizationRow) async throws {
        let world = World()
        let scopes: [APIScope]
        switch try access(of: row, in: world) {
        case .key(let needed), .keyOrSession(let needed): scopes = [needed]
        case .keyWithAny(let needed): scopes = needed
        default: return
        }
        let others = world.key(
            Set(
                APIScope.allCases.filter {
                    let key = APIKey(
                        id: 0, scope: EnvironmentScope(environmentID: 1), displayName: "", scopes: [$0],
                        createdAt: world.clock.now, lastUsedAt: nil
                    )
                    return !scopes.contains(where: key.allows)
                })
        )

        for token in [world.bareKey, others] {
            let answer = try await send(row, to: world, bearer: token)

            #expect(answer.status == 403)
            #expect(answer.code == "forbidden")
            for scope in scopes { #expect(answer.body.contains(scope.rawValue)) }
            #expect(!answer.body.contains("canary"))
        }
    }

    @Test(arguments: AuthorizationRow.all)
    func `lets a connect session do only what is meant for it`(row: AuthorizationRow) async throws {
        let world = World()
        switch try access(of: row, in: world) {
        case .key, .keyWithAny: break
        default: return
        }

        let answer = try await send(row, to: world, bearer: world.sessionToken)

        #expect(answer.status == 401)
        #expect(answer.code == "invalid_secret_key_format")
        #expect(!answer.body.contains("canary"))
    }

    @Test(arguments: AuthorizationRow.all)
    func `lets an API key not act as an end user`(row: AuthorizationRow) async throws {
        let world = World()
        guard try access(of: row, in: world) == .session else { return }

        let answer = try await send(row, to: world, bearer: world.devKey)

        #expect(answer.status == 401)
    }

    @Test(arguments: AuthorizationRow.all)
    func `shows nothing of one environment to another's key`(row: AuthorizationRow) async throws {
        let world = World()
        switch try access(of: row, in: world) {
        case .key, .keyOrSession, .keyWithAny: break
        default: return
        }

        let answer = try await send(row, to: world, bearer: world.prodKey)

        #expect(!answer.body.contains("dev-canary"))
        guard let absentURI = row.absentURI else { return }
        let absent = try await world.send(
            row.method, absentURI, bearer: world.prodKey, headers: row.headers, body: row.absentBody ?? row.body
        )
        #expect(answer.status == absent.status)
        #expect(answer.body == absent.body)
        #expect(answer.status >= 400)
    }

    @Test func `sees the canary where it may, so that the tests above could fail`() async throws {
        let world = World()

        for uri in [
            "/connections", "/logs/operations", "/webhook-events", "/integrations", "/environment-variables",
            "/provider-webhooks", "/webhook-subscriptions",
        ] {
            #expect(try await world.send(.get, uri, bearer: world.devKey).body.contains("dev-canary"))
        }
    }
}
