import HTTPTypes
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

/// A request to `dev` with every scope, and what its answer must and must not hold.
struct Scenario: Sendable, CustomTestStringConvertible {
    var name: String
    var method: HTTPRequest.Method
    var uri: String
    var headers: [(name: String, value: String)] = []
    var body: String?
    var status: Int
    var contains: [String] = []
    var excludes: [String] = []
    /// The paths of the issues, when it is an error that has some.
    var paths: [[String]]?

    var testDescription: String { name }
}

struct RouteScenarioTests {
    private func check(_ scenario: Scenario, bearer: Token? = nil, in world: World = World()) async throws {
        let answer = try await world.send(
            scenario.method, scenario.uri, bearer: bearer ?? world.devKey, headers: HTTPFields(scenario.headers),
            body: scenario.body
        )

        #expect(answer.status == scenario.status, "\(answer.body)")
        for text in scenario.contains { #expect(answer.body.contains(text), "\(answer.body)") }
        for text in scenario.excludes { #expect(!answer.body.contains(text), "\(answer.body)") }
        if let paths = scenario.paths { #expect(answer.paths == paths, "\(answer.body)") }
    }

    private static let connection = [("Provider-Config-Key", "zendesk"), ("Connection-Id", "c1")]

    @Test(arguments: [
        Scenario(
            name: "passes the storage's bytes on", method: .get, uri: "/records?model=ticket", headers: connection,
            status: 200,
            contains: [#"{"records":[{"id":"1","title":"dev-canary","n":1.0}],"next_cursor":null}"#]
        ),
        Scenario(
            name: "wants both headers", method: .get, uri: "/records?model=Ticket", status: 400,
            contains: ["invalid_headers"],
            paths: [["provider-config-key"], ["connection-id"]]
        ),
        Scenario(
            name: "names everything that is wrong at once", method: .get,
            uri: "/records?model=9x&limit=0&filter=new&modified_after=yesterday&cursor=&ids=", headers: connection,
            status: 400,
            contains: ["invalid_query_params"],
            paths: [["model"], ["cursor"], ["limit"], ["filter"], ["modified_after"], ["ids"]]
        ),
        Scenario(
            name: "wants a model", method: .get, uri: "/records", headers: connection, status: 400, paths: [["model"]]
        ),
        Scenario(
            name: "refuses a repeated parameter", method: .get, uri: "/records?model=A&model=B", headers: connection,
            status: 400, contains: ["repeated_key"], paths: [["model"]]
        ),
        Scenario(
            name: "refuses a page beyond the limit", method: .get, uri: "/records?model=A&limit=10001",
            headers: connection,
            status: 400, paths: [["limit"]]
        ),
        Scenario(
            name: "refuses more than 100 ids", method: .get,
            uri: "/records?model=A" + String(repeating: "&ids=x", count: 101), headers: connection, status: 400,
            paths: [["ids"]]
        ),
        Scenario(
            name: "tells an unknown connection", method: .get, uri: "/records?model=A",
            headers: [("Provider-Config-Key", "zendesk"), ("Connection-Id", "nobody")], status: 400,
            contains: ["unknown_connection"]
        ),
        Scenario(
            name: "tells another environment's connection in the same words", method: .get, uri: "/records?model=A",
            headers: [("Provider-Config-Key", "zendesk"), ("Connection-Id", "theirs")], status: 400,
            contains: ["unknown_connection"]
        ),
    ])
    func `answers GET records`(scenario: Scenario) async throws {
        try await check(scenario)
    }

    @Test func `asks for the records that the query describes`() async throws {
        let world = World()
        let uri =
            "/records?model=ticket&variant=eu&cursor=abc&limit=7&filter=ADDED,deleted"
            + "&modified_after=2026-01-02T03:04:05.123456Z&ids=a%26b&ids=c"

        _ = try await world.send(.get, uri, bearer: world.devKey, headers: HTTPFields(Self.connection))

        let query = try #require(world.storage.state.withLock { $0.lastQuery })
        #expect(query.model == "ticket")
        #expect(query.variant == "eu")
        #expect(query.cursor == "abc")
        #expect(query.limit == 7)
        #expect(query.actions == [.added, .deleted])
        #expect(query.modifiedAfter == Timestamp(iso8601: "2026-01-02T03:04:05.123456Z"))
        #expect(query.ids == ["a&b", "c"])
    }

    @Test(arguments: [
        (TerapiError.Code.invalidCursor, 400), (.cursorExpired, 410), (.cursorAheadOfHistory, 409),
        (.storageUnavailable, 503),
    ])
    func `tells the fate of a cursor by status`(code: TerapiError.Code, status: Int) async throws {
        let world = World()
        world.storage.state.withLock { $0.recordFailure = TerapiError(code, "Because.") }

        let answer = try await world.send(
            .get, "/records?model=A", bearer: world.devKey, headers: HTTPFields(Self.connection)
        )

        #expect(answer.status == status)
        #expect(answer.code == code.rawValue)
    }

    @Test(arguments: [
        Scenario(
            name: "lists without credentials", method: .get, uri: "/connections", status: 200,
            contains: [#""connection_id":"c1""#, #""provider_config_key":"zendesk""#],
            excludes: ["access-canary", "theirs"]
        ),
        Scenario(
            name: "filters by tag", method: .get, uri: "/connections?tags%5Bteam%5D=red", status: 200,
            contains: [#"{"connections":[]}"#]
        ),
        Scenario(
            name: "refuses a wrong page", method: .get, uri: "/connections?limit=2001&page=-1", status: 400,
            paths: [["limit"], ["page"]]
        ),
        Scenario(
            name: "shows the access token and not the refresh token", method: .get,
            uri: "/connections/c1?provider_config_key=zendesk", status: 200,
            contains: [#""access_token":"access-canary""#, #""connection_config":{}"#], excludes: ["refresh-canary"]
        ),
        Scenario(
            name: "shows the refresh token when asked", method: .get,
            uri: "/connections/c1?provider_config_key=zendesk&refresh_token=true&force_refresh=true", status: 200,
            contains: ["refresh-canary", "access-canary-new"]
        ),
        Scenario(
            name: "wants true or false", method: .get,
            uri: "/connections/c1?provider_config_key=zendesk&force_refresh=1",
            status: 400, paths: [["force_refresh"]]
        ),
        Scenario(
            name: "wants the integration", method: .get, uri: "/connections/c1", status: 400,
            paths: [["provider_config_key"]]
        ),
        Scenario(
            name: "tells an unknown integration", method: .get, uri: "/connections/c1?provider_config_key=nope",
            status: 400,
            contains: ["unknown_provider_config"]
        ),
        Scenario(
            name: "tells an unknown connection", method: .get, uri: "/connections/theirs?provider_config_key=zendesk",
            status: 404, contains: ["not_found"]
        ),
        Scenario(
            name: "imports and generates an id", method: .post, uri: "/connections",
            body:
                #"{"provider_config_key":"zendesk","credentials":{"type":"OAUTH2","access_token":"t","refresh_token":"r-canary"},"tags":{"Team":"x"},"metadata":{"a":1.50}}"#,
            status: 201, contains: [#""tags":{"team":"x"}"#, #""metadata":{"a":1.50}"#, "-4"], excludes: ["r-canary"]
        ),
        Scenario(
            name: "names what is missing", method: .post, uri: "/connections", body: "{}", status: 400,
            paths: [["provider_config_key"], ["credentials"]]
        ),
        Scenario(
            name: "names wrong credentials", method: .post, uri: "/connections",
            body: #"{"provider_config_key":"zendesk","credentials":{"type":"API_KEY","apiKey":"k"}}"#, status: 400,
            contains: ["invalid_body", "OAUTH2"]
        ),
        Scenario(
            name: "names wrong types inside", method: .post, uri: "/connections",
            body:
                #"{"provider_config_key":"zendesk","credentials":{},"end_user":{"id":7,"email":"x","colour":1},"webhook_url_override":"ftp://x"}"#,
            status: 400,
            paths: [["end_user", "id"], ["end_user", "email"], ["end_user", "colour"], ["webhook_url_override"]]
        ),
        Scenario(
            name: "refuses tags that are not tags", method: .post, uri: "/connections",
            body: #"{"provider_config_key":"zendesk","credentials":{},"tags":{"1a":"x","b":"","c":2,"D":"1","d":"2"}}"#,
            status: 400,
            paths: [["tags", "1a"], ["tags", "b"], ["tags", "c"], ["tags", "d"]]
        ),
        Scenario(
            name: "tells an unknown integration on import", method: .post, uri: "/connections",
            body: #"{"provider_config_key":"nope","credentials":{"type":"NONE"}}"#, status: 404, contains: ["not_found"]
        ),
        Scenario(
            name: "replaces metadata of several", method: .post, uri: "/connections/metadata",
            body: #"{"connection_id":["c1"],"provider_config_key":"zendesk","metadata":{"b":2}}"#, status: 201,
            contains: [#""metadata":{"b":2}"#]
        ),
        Scenario(
            name: "changes nothing when one is missing", method: .post, uri: "/connections/metadata",
            body: #"{"connection_id":["c1","nobody"],"provider_config_key":"zendesk","metadata":{"b":2}}"#, status: 404,
            contains: ["unknown_connection"]
        ),
        Scenario(
            name: "wants an id", method: .post, uri: "/connections/metadata",
            body: #"{"connection_id":[],"provider_config_key":"zendesk","metadata":{}}"#, status: 400,
            paths: [["connection_id"]]
        ),
    ])
    func `answers connections`(scenario: Scenario) async throws {
        try await check(scenario)
    }

    @Test func `leaves credentials out for a key that may not read them`() async throws {
        let world = World()
        let key = world.key([.readConnection])

        let plain = try await world.send(.get, "/connections/c1?provider_config_key=zendesk", bearer: key)
        let forced = try await world.send(
            .get, "/connections/c1?provider_config_key=zendesk&force_refresh=true", bearer: key
        )

        #expect(plain.status == 200)
        #expect(plain.json?["credentials"] == nil)
        #expect(forced.status == 403)
        #expect(!(plain.body + forced.body).contains("access-canary"))
    }

    @Test(arguments: [
        (TerapiError.Code.connectionRefreshExhausted, 424), (.connectionRefreshBackoff, 424),
        (.refreshTokenExternalError, 400),
    ])
    func `tells a failed refresh with the connection and without its credentials`(
        code: TerapiError.Code, status: Int
    ) async throws {
        let world = World()
        world.engine.state.withLock {
            $0.credentialFailure = TerapiError(code, "The token is refused.", retryAfterSeconds: 30)
        }

        let answer = try await world.send(.get, "/connections/c1?provider_config_key=zendesk", bearer: world.devKey)

        #expect(answer.status == status)
        #expect(answer.code == "invalid_credentials")
        #expect(answer.json?["error"]?["payload"]?["connection"]?["connection_id"] == "c1")
        #expect(answer.headers[.retryAfter] == "30")
        #expect(!answer.body.contains("access-canary"))
    }

    @Test func `merges metadata and takes a webhook URL away again`() async throws {
        let world = World()
        let uri = "/connections/c1?provider_config_key=zendesk"

        _ = try await world.send(
            .patch, "/connections/metadata", bearer: world.devKey,
            body: #"{"connection_id":"c1","provider_config_key":"zendesk","metadata":{"b":2}}"#
        )
        _ = try await world.send(
            .patch, uri, bearer: world.devKey, body: #"{"webhook_url_override":"https://a.example/x"}"#
        )
        let set = try await world.send(.get, uri, bearer: world.devKey)
        _ = try await world.send(.patch, uri, bearer: world.devKey, body: #"{"tags":{"x":"y"}}"#)
        let kept = try await world.send(.get, uri, bearer: world.devKey)
        _ = try await world.send(.patch, uri, bearer: world.devKey, body: #"{"webhook_url_override":null}"#)
        let cleared = try await world.send(.get, uri, bearer: world.devKey)

        #expect(set.json?["metadata"] == ["note": "dev-canary", "b": 2])
        #expect(set.json?["webhook_url_override"] == "https://a.example/x")
        #expect(kept.json?["webhook_url_override"] == "https://a.example/x")
        #expect(kept.json?["tags"] == ["x": "y"])
        #expect(cleared.json?["webhook_url_override"] == .null)
    }

    @Test(arguments: [
        Scenario(
            name: "makes a session", method: .post, uri: "/connect/sessions",
            body:
                #"{"end_user":{"id":"u","email":"a@b.example"},"allowed_integrations":["zendesk"],"allowed_origins":["https://app.example.com"],"connection_id":"mine","integrations_config_defaults":{"zendesk":{"user_scopes":"a,b","connection_config":{"subdomain":"acme"}}}}"#,
            status: 201,
            contains: [
                #""connect_link":"http://localhost:3003/connect/terapi_connect_session_"#, "2027-01-15T08:30:00",
            ]
        ),
        Scenario(
            name: "takes tags in place of an end user", method: .post, uri: "/connect/sessions",
            body: #"{"tags":{"a":"b"}}"#,
            status: 201
        ),
        Scenario(
            name: "wants someone", method: .post, uri: "/connect/sessions", body: "{}", status: 400,
            paths: [["end_user"]]
        ),
        Scenario(
            name: "names unknown integrations", method: .post, uri: "/connect/sessions",
            body:
                #"{"tags":{"a":"b"},"allowed_integrations":["zendesk","nope"],"integrations_config_defaults":{"none":{}}}"#,
            status: 400, paths: [["allowed_integrations", "1"], ["integrations_config_defaults", "none"]]
        ),
        Scenario(
            name: "wants origins and not addresses", method: .post, uri: "/connect/sessions",
            body: #"{"tags":{"a":"b"},"allowed_origins":["https://a.example/path","*","https://a@b.example"]}"#,
            status: 400,
            paths: [["allowed_origins", "0"], ["allowed_origins", "1"], ["allowed_origins", "2"]]
        ),
        Scenario(
            name: "names wrong fields deep inside", method: .post, uri: "/connect/sessions",
            body: #"{"tags":{"a":"b"},"integrations_config_defaults":{"zendesk":{"user_scopes":1,"extra":2}}}"#,
            status: 400,
            paths: [
                ["integrations_config_defaults", "zendesk", "user_scopes"],
                ["integrations_config_defaults", "zendesk", "extra"],
            ]
        ),
        Scenario(
            name: "reconnects what is there only", method: .post, uri: "/connect/sessions/reconnect",
            body: #"{"connection_id":"theirs","integration_id":"zendesk"}"#, status: 400, paths: [["connection_id"]]
        ),
    ])
    func `answers connect sessions`(scenario: Scenario) async throws {
        try await check(scenario)
    }

    @Test func `lets the token of a session read that session and end it`() async throws {
        let world = World()
        let made = try await world.send(
            .post, "/connect/sessions", bearer: world.devKey,
            body: #"{"end_user":{"id":"u1"},"allowed_integrations":["zendesk"]}"#
        )
        let text = try #require(made.json?["data"]?["token"]?.string)
        let token = try #require(Token(text, .connectSession))

        let session = try await world.send(.get, "/connect/session", bearer: token)
        let integrations = try await world.send(.get, "/integrations", bearer: token)
        let ended = try await world.send(.delete, "/connect/session", bearer: token)
        let after = try await world.send(.get, "/connect/session", bearer: token)

        #expect(session.json?["data"]?["endUser"]?["id"] == "u1")
        #expect(session.json?["data"]?["allowed_integrations"] == ["zendesk"])
        #expect(integrations.json?["data"]?.array?.count == 1)
        #expect(!integrations.body.contains("client-secret-canary"))
        #expect(ended.status == 204)
        #expect(after.status == 401)
        #expect(after.code == "unknown_connect_session_token")
    }

    @Test func `tells an attempt to its own session only`() async throws {
        let world = World()
        let uri = "/connect/attempts/\(world.attemptID)"

        let mine = try await world.send(.get, uri, bearer: world.sessionToken)
        let unknown = try await world.send(
            .get, "/connect/attempts/" + String(repeating: "b", count: 64), bearer: world.sessionToken
        )

        #expect(mine.json?["state"] == "success")
        #expect(mine.json?["connectionId"] == "c-dev-canary")
        #expect(mine.json?["providerConfigKey"] == "zendesk")
        #expect(unknown.status == 404)
    }

    @Test(arguments: [
        Scenario(
            name: "lists providers", method: .get, uri: "/providers?search=ZEN", status: 200,
            contains: [#""name":"zendesk""#, "https://example.com/zendesk"], excludes: ["keyed"]
        ),
        Scenario(
            name: "tells an unknown provider", method: .get, uri: "/providers/nope", status: 404,
            contains: ["unknown_provider"]),
        Scenario(
            name: "shows no secret unasked", method: .get, uri: "/integrations/zendesk", status: 200,
            contains: [#""unique_key":"zendesk""#], excludes: ["client-secret-canary", "webhook_url"]
        ),
        Scenario(
            name: "shows what is included", method: .get,
            uri: "/integrations/zendesk?include=webhook&include=credentials",
            status: 200, contains: ["client-secret-canary", "http://localhost:3003/webhook/uuid-dev/zendesk"]
        ),
        Scenario(
            name: "refuses other parts", method: .get, uri: "/integrations/zendesk?include=everything", status: 400,
            paths: [["include"]]
        ),
        Scenario(
            name: "makes an integration", method: .post, uri: "/integrations",
            body:
                #"{"unique_key":"zd-2","provider":"zendesk","credentials":{"type":"OAUTH2","client_id":"i","client_secret":"s-canary","scopes":"read, write"}}"#,
            status: 200, contains: [#""display_name":"Zendesk""#], excludes: ["s-canary"]
        ),
        Scenario(
            name: "refuses a key that is taken", method: .post, uri: "/integrations",
            body: #"{"unique_key":"zendesk","provider":"zendesk"}"#, status: 409, contains: ["conflict"]
        ),
        Scenario(
            name: "names an unknown provider", method: .post, uri: "/integrations",
            body: #"{"unique_key":"x","provider":"nope"}"#, status: 400, paths: [["provider"]]
        ),
        Scenario(
            name: "refuses credentials of another mode", method: .post, uri: "/integrations",
            body:
                #"{"unique_key":"x","provider":"keyed","credentials":{"type":"OAUTH2","client_id":"i","client_secret":"s"}}"#,
            status: 400, paths: [["credentials", "type"]]
        ),
        Scenario(
            name: "names missing credentials", method: .post, uri: "/integrations",
            body: #"{"unique_key":"x","provider":"zendesk","credentials":{}}"#, status: 400,
            paths: [
                ["credentials", "type"], ["credentials", "type"], ["credentials", "client_id"],
                ["credentials", "client_secret"],
            ]
        ),
        Scenario(name: "tells an unknown integration", method: .get, uri: "/integrations/nope", status: 404),
        Scenario(
            name: "lists scripts without their code", method: .get, uri: "/scripts/config?format=terapi", status: 200,
            contains: [#""name":"tickets""#, #""runs":"every 5 minutes""#], excludes: ["code-canary"]
        ),
        Scenario(
            name: "tells the status of syncs", method: .get,
            uri: "/sync/status?provider_config_key=zendesk&syncs=tickets::eu",
            status: 200, contains: [#""recordCount":{"Ticket":3}"#, #""status":"SUCCESS""#]
        ),
        Scenario(
            name: "wants syncs", method: .get, uri: "/sync/status?provider_config_key=zendesk&syncs=a,b%20c",
            status: 400,
            paths: [["syncs"]]
        ),
        Scenario(
            name: "wants an integration for a trigger", method: .post, uri: "/sync/trigger", body: #"{"syncs":[]}"#,
            status: 400,
            contains: ["missing_provider_config_key"]
        ),
        Scenario(
            name: "refuses two styles of one wish", method: .post, uri: "/sync/trigger",
            body: #"{"provider_config_key":"zendesk","syncs":[],"opts":{},"full_resync":true}"#, status: 400,
            paths: [["opts"]]
        ),
        Scenario(
            name: "names a wrong sync", method: .post, uri: "/sync/pause",
            body: #"{"provider_config_key":"zendesk","syncs":["ok","a::b::c",{"name":"x","colour":1},7]}"#, status: 400,
            paths: [["syncs", "1"], ["syncs", "2"], ["syncs", "3"]]
        ),
        Scenario(
            name: "tells an unknown connection of a sync", method: .post, uri: "/sync/start",
            body: #"{"provider_config_key":"zendesk","connection_id":"theirs","syncs":[]}"#, status: 400,
            contains: ["unknown_connection"]
        ),
        Scenario(
            name: "sets a frequency", method: .put, uri: "/sync/update-connection-frequency",
            body:
                #"{"provider_config_key":"zendesk","connection_id":"c1","sync_name":"tickets","frequency":"every hour"}"#,
            status: 200, contains: [#"{"frequency":"every hour"}"#]
        ),
        Scenario(
            name: "takes the sync's own frequency again", method: .put, uri: "/sync/update-connection-frequency",
            body: #"{"provider_config_key":"zendesk","connection_id":"c1","sync_name":"tickets","frequency":null}"#,
            status: 200, contains: [#"{"frequency":"every 5 minutes"}"#]
        ),
        Scenario(
            name: "refuses what is too often", method: .put, uri: "/sync/update-connection-frequency",
            body: #"{"provider_config_key":"zendesk","connection_id":"c1","sync_name":"tickets","frequency":"5s"}"#,
            status: 400, paths: [["frequency"]]
        ),
        Scenario(
            name: "wants a frequency or null", method: .put, uri: "/sync/update-connection-frequency",
            body: #"{"provider_config_key":"zendesk","connection_id":"c1","sync_name":"tickets"}"#, status: 400,
            paths: [["frequency"]]
        ),
        Scenario(
            name: "sets webhooks", method: .patch, uri: "/environment",
            body:
                #"{"webhook":{"primary_url":"https://a.example/h","on_auth_creation":false},"default_origins":["http://localhost:8080"]}"#,
            status: 200,
            contains: [#""primary_url":"https://a.example/h""#, #""on_auth_creation":false"#, "http://localhost:8080"]
        ),
        Scenario(
            name: "refuses wrong settings", method: .patch, uri: "/environment",
            body:
                #"{"webhook":{"primary_url":"javascript:alert(1)","on_sync_error":"yes","x":1},"default_origins":"*"}"#,
            status: 400,
            paths: [
                ["webhook", "primary_url"], ["webhook", "on_sync_error"], ["webhook", "x"], ["default_origins"],
            ]
        ),
        Scenario(
            name: "shows the environment without its keys and variables", method: .get, uri: "/environment",
            status: 200, contains: [#""name":"dev""#], excludes: ["whsec_", "REGION"]
        ),
        Scenario(
            name: "shows the variables as scripts get them", method: .get, uri: "/environment-variables", status: 200,
            contains: [#"[{"name":"REGION","value":"dev-canary"}]"#], excludes: ["prod"]
        ),
        Scenario(
            name: "refuses variables that are none", method: .patch, uri: "/environment",
            body: #"{"variables":{"1A":"x","a-b":"x","":"x","ö":"x","B":1,"C":"","D":null,"_e9":"x"}}"#, status: 400,
            paths: [
                ["variables", "1A"], ["variables", "a-b"], ["variables", ""], ["variables", "ö"], ["variables", "B"],
            ]
        ),
        Scenario(
            name: "refuses a value that is too long", method: .patch, uri: "/environment",
            body: #"{"variables":{"A":""# + String(repeating: "x", count: 16_385) + #""}}"#, status: 400,
            paths: [["variables", "A"]]
        ),
        Scenario(
            name: "shows the signing key", method: .get, uri: "/environment/webhook-signing-key", status: 200,
            contains: ["whsec_dev-canary"], excludes: ["prod"]
        ),
        Scenario(
            name: "tells tries of a webhook", method: .get, uri: "/webhook-events/msg_1", status: 200,
            contains: [#""state":"delivered""#, #""duration_ms":12"#, #""status":200"#]
        ),
        Scenario(
            name: "filters the log", method: .get, uri: "/logs/operations?type=auth:refresh_token", status: 200,
            contains: [#"{"data":[]}"#]
        ),
        Scenario(
            name: "names a wrong filter", method: .get, uri: "/logs/operations?type=x&state=y&limit=5000", status: 400,
            paths: [["type"], ["state"], ["limit"]]
        ),
        Scenario(
            name: "tells messages", method: .get, uri: "/logs/operations/op1/messages?after=0", status: 200,
            contains: ["dev-canary line"]
        ),
    ])
    func `answers everything else`(scenario: Scenario) async throws {
        try await check(scenario)
    }

    @Test func `sets and unsets variables`() async throws {
        let world = World()
        func change(_ variables: String) async throws -> Int {
            try await world.send(.patch, "/environment", bearer: world.devKey, body: "{\"variables\":\(variables)}")
                .status
        }
        let most = (1...256).map { #""V\#($0)":"x""# }.joined(separator: ",")

        #expect(try await change(#"{"KEY":"a=b","REGION":null,"NOT_THERE":null}"#) == 200)
        let shown = try await world.send(.get, "/environment-variables", bearer: world.devKey)
        let tooMany = try await change("{\(most)}")
        let enough = try await change("{\(most),\"KEY\":null}")

        #expect(shown.body == #"[{"name":"KEY","value":"a=b"}]"#)
        #expect(tooMany == 400)
        #expect(enough == 200)
        let theirs = try await world.send(.get, "/environment-variables", bearer: world.prodKey)
        #expect(theirs.body == #"[{"name":"REGION","value":"prod-canary"}]"#)
    }

    @Test func `lets the scripts of its connections have their say before an integration goes`() async throws {
        let world = World()

        let answer = try await world.send(.delete, "/integrations/zendesk", bearer: world.devKey)

        #expect(answer.status == 200)
        // What deletes it is the flow that runs them.
        #expect(world.engine.state.withLock { $0.deletedIntegrations } == ["zendesk"])
        let unknown = try await world.send(.delete, "/integrations/theirs", bearer: world.devKey)
        #expect(unknown.status == 404)
        #expect(world.engine.state.withLock { $0.deletedIntegrations.count } == 1)
    }

    @Test func `rotates the signing key to a new one`() async throws {
        let world = World()

        let rotated = try await world.send(.post, "/environment/webhook-signing-key/rotate", bearer: world.devKey)
        let shown = try await world.send(.get, "/environment/webhook-signing-key", bearer: world.devKey)

        let key = try #require(rotated.json?["data"]?["webhook_signing_key"]?.string)
        #expect(key.hasPrefix("whsec_"))
        #expect(shown.json?["data"]?["webhook_signing_key"]?.string == key)
        #expect(rotated.json?["data"]?["replaced_key_expires_at"] == "2027-01-16T08:00:00.000000+00:00")
    }

    @Test(arguments: [
        (#"{"syncs":["a",{"name":"b","variant":"c"}],"opts":{"reset":true,"emptyCache":true}}"#, true, true),
        (#"{"syncs":["a","b::c"],"opts":{"emptyCache":true}}"#, false, false),
        (#"{"syncs":["a","b::c"],"sync_mode":"full_refresh"}"#, true, false),
        (#"{"syncs":["a","b::c"],"sync_mode":"full_refresh_and_clear_cache"}"#, true, true),
        (#"{"syncs":["a","b::c"],"full_resync":true}"#, true, false),
        (#"{"syncs":["a","b::c"]}"#, false, false),
    ])
    func `triggers in the new style and the old`(body: String, reset: Bool, emptyCache: Bool) async throws {
        let world = World()

        let answer = try await world.send(
            .post, "/sync/trigger", bearer: world.devKey, headers: HTTPFields(Self.connection), body: body
        )

        #expect(answer.json == ["success": true])
        let triggered = try #require(world.engine.state.withLock { $0.triggered.first })
        #expect(triggered.selection.names == ["a", "b::c"])
        #expect(triggered.selection.connectionID == "c1")
        #expect(triggered.reset == reset)
        #expect(triggered.emptyCache == emptyCache)
        #expect(triggered.confirms == false)
    }

    @Test func `lets a person confirm that many records vanish`() async throws {
        let world = World()

        _ = try await world.send(
            .post, "/sync/trigger", bearer: world.devKey, headers: HTTPFields(Self.connection),
            body: #"{"syncs":["a"],"opts":{"confirm_deletions":true}}"#
        )

        #expect(world.engine.state.withLock { $0.triggered.first?.confirms } == true)
    }
}
