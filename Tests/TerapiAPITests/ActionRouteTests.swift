import HTTPTypes
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

struct ActionRouteTests {
    private static let connection = [("Provider-Config-Key", "zendesk"), ("Connection-Id", "c1")]

    private static func invocation(_ more: String) -> String {
        #"{"connection_id":"c1","integration_id":"zendesk","name":"create-ticket",\#(more)}"#
    }

    private func trigger(
        _ world: World,
        headers: [(name: String, value: String)] = [],
        body: String = #"{"action_name":"create-ticket","input":{"title":"a"}}"#
    ) async throws -> Answer {
        try await world.send(
            .post, "/action/trigger", bearer: world.devKey, headers: HTTPFields(Self.connection + headers), body: body
        )
    }

    @Test(arguments: [
        Scenario(
            name: "passes what the action returned on byte by byte", method: .post, uri: "/action/trigger",
            headers: connection, body: #"{"action_name":"create-ticket","input":[1]}"#, status: 200,
            contains: [#"{"made":1.0,"by":"dev-canary"}"#], excludes: ["code-canary"]
        ),
        Scenario(
            name: "queues when it is asked to", method: .post, uri: "/action/trigger",
            headers: connection + [("X-Async", "true")], body: #"{"action_name":"create-ticket"}"#, status: 202,
            contains: [#"{"statusUrl":"/action/a-1","id":"a-1"}"#]
        ),
        Scenario(
            name: "invokes what the body names", method: .post, uri: "/functions/invocations",
            body: invocation(#""invocation_type":"wait","input":[1]"#), status: 200,
            contains: [#"{"made":1.0,"by":"dev-canary"}"#]
        ),
        Scenario(
            name: "does not wait for what the body names", method: .post, uri: "/functions/invocations",
            body: invocation(#""invocation_type":"no_wait","options":{"max_retries":2}"#), status: 202,
            contains: [#"{"statusUrl":"/action/a-1","id":"a-1"}"#]
        ),
        Scenario(
            name: "names what is wrong with an invocation", method: .post, uri: "/functions/invocations",
            body: invocation(#""invocation_type":"later","options":{"max_retries":6,"more":1}"#), status: 400,
            contains: ["invalid_body"],
            paths: [["invocation_type"], ["options", "max_retries"], ["options", "more"]]
        ),
        Scenario(
            name: "wants both headers", method: .post, uri: "/action/trigger",
            body: #"{"action_name":"create-ticket"}"#, status: 400, contains: ["invalid_headers"],
            paths: [["provider-config-key"], ["connection-id"]]
        ),
        Scenario(
            name: "names everything that is wrong with the options at once", method: .post, uri: "/action/trigger",
            headers: connection + [
                ("X-Async", "yes"), ("X-Max-Retries", "6"), ("Idempotency-Key", String(repeating: "k", count: 256)),
            ],
            body: #"{"action_name":"create-ticket"}"#, status: 400, contains: ["invalid_headers"],
            paths: [["x-async"], ["x-max-retries"], ["idempotency-key"]]
        ),
        Scenario(
            name: "wants a name and knows no other field", method: .post, uri: "/action/trigger", headers: connection,
            body: #"{"action":"create-ticket"}"#, status: 400, contains: ["invalid_body"],
            paths: [["action_name"], ["action"]]
        ),
        Scenario(
            name: "tells an unknown connection", method: .post, uri: "/action/trigger",
            headers: [("Provider-Config-Key", "zendesk"), ("Connection-Id", "theirs")],
            body: #"{"action_name":"create-ticket"}"#, status: 400, contains: ["unknown_connection"]
        ),
        Scenario(
            name: "says that a run is not done", method: .get, uri: "/action/a-1", status: 202,
            contains: [#"{"status":"pending"}"#]
        ),
        Scenario(
            name: "does not know every id", method: .get, uri: "/action/a-2", status: 404, contains: ["not_found"]
        ),
        Scenario(
            name: "lists actions and events without their code", method: .get, uri: "/scripts/config", status: 200,
            contains: [
                #""name":"create-ticket""#, #""input":{"type":"object"}"#, #""event":"post-connection-creation""#,
            ],
            excludes: ["code-canary"]
        ),
    ])
    func `answers about actions`(scenario: Scenario) async throws {
        let world = World()

        let answer = try await world.send(
            scenario.method, scenario.uri, bearer: world.devKey, headers: HTTPFields(scenario.headers),
            body: scenario.body
        )

        #expect(answer.status == scenario.status, "\(answer.body)")
        for text in scenario.contains { #expect(answer.body.contains(text), "\(answer.body)") }
        for text in scenario.excludes { #expect(!answer.body.contains(text), "\(answer.body)") }
        if let paths = scenario.paths { #expect(answer.paths == paths, "\(answer.body)") }
    }

    @Test func `hands on what was asked for`() async throws {
        let world = World()

        _ = try await trigger(world, headers: [("Idempotency-Key", "k-1")])
        let queued = try await trigger(
            world, headers: [("X-Async", "TRUE"), ("X-Max-Retries", "3")], body: #"{"action_name":"create-ticket"}"#
        )

        let requests = world.engine.state.withLock { $0.requests }
        #expect(requests.map(\.request.name) == ["create-ticket", "create-ticket"])
        #expect(requests.map(\.request.input) == [["title": "a"], nil])
        #expect(requests.map(\.request.idempotencyKey) == ["k-1", nil])
        #expect(requests.map(\.maxRetries) == [nil, 3])
        #expect(queued.headers[.location] == "/action/a-1")
    }

    @Test(arguments: [
        (TerapiError.Code.unknownProvider, 400), (.unknownConnection, 400), (.notFound, 404),
        (.invalidActionInput, 400), (.invalidActionOutput, 400), (.scriptOutputTooLarge, 400),
        (.scriptHTTPError, 424), (.actionScriptFailure, 500), (.scriptLimitExceeded, 500), (.outcomeUnknown, 424),
        (.tooManyRequests, 429), (.idempotencyKeyInUse, 409), (.idempotencyKeyReused, 422),
    ])
    func `tells by status how an action failed, at once and later`(code: TerapiError.Code, status: Int) async throws {
        let world = World()
        let error = TerapiError(code, "Because.", payload: ["reason": "full"], retryAfterSeconds: 1)
        world.engine.state.withLock { state in
            state.actionFailure = error
            state.actionResult = .failure(error)
        }

        let atOnce = try await trigger(world)
        let later = try await world.send(.get, "/action/a-1", bearer: world.devKey)

        for answer in [atOnce, later] {
            #expect(answer.status == status)
            #expect(answer.code == code.rawValue)
            #expect(answer.json?["error"]?["payload"] == ["reason": "full"])
        }
        #expect(atOnce.headers[.retryAfter] == "1")
    }

    @Test func `shows the provider's answer under upstream`() async throws {
        let world = World()
        let upstream: JSONValue = [
            "status": 429, "headers": ["x-ratelimit-reset": "7"], "body": ["error": "slow down"],
        ]
        let error = TerapiError(.scriptHTTPError, "Because.", upstream: upstream)
        world.engine.state.withLock { $0.actionFailure = error }

        let answer = try await trigger(world)

        #expect(answer.status == 424)
        #expect(answer.json?["error"]?["upstream"] == upstream)
    }

    @Test func `passes a late result on byte by byte`() async throws {
        let world = World()
        world.engine.state.withLock { $0.actionResult = .success(Array(#"{"a": 1.50}"#.utf8)) }

        let answer = try await world.send(.get, "/action/a-1", bearer: world.devKey)

        #expect(answer.status == 200)
        #expect(answer.body == #"{"a": 1.50}"#)
    }

    @Test func `deletes a connection by the way that runs its scripts`() async throws {
        let world = World()

        let answer = try await world.send(
            .delete, "/connections/c1?provider_config_key=zendesk", bearer: world.devKey
        )

        #expect(answer.status == 200)
        #expect(world.engine.state.withLock { $0.deleted } == ["c1"])
    }
}
