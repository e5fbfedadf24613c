import HTTPTypes
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

struct VariantAndReplayTests {
    private static let body = #"{"provider_config_key":"zendesk","connection_id":"c1"}"#

    @Test func `makes and removes variants`() async throws {
        let world = World()

        let made = try await world.send(.post, "/sync/tickets/variant/eu", bearer: world.devKey, body: Self.body)
        let gone = try await world.send(.delete, "/sync/tickets/variant/eu", bearer: world.devKey, body: Self.body)

        #expect(made.status == 200 && made.json == ["id": "8", "name": "tickets", "variant": "eu"])
        #expect(gone.status == 200 && gone.json == ["success": true])
        let variants = world.engine.state.withLock { $0.variants }
        #expect(
            variants.map { "\($0.integrationKey) \($0.connectionID) \($0.syncName) \($0.name)" }
                == ["zendesk c1 tickets eu", "zendesk c1 tickets eu"])
    }

    @Test(
        arguments: [
            ("/sync/tickets/variant/base", VariantAndReplayTests.body, 400, "invalid_variant"),
            ("/sync/tickets/variant/a%20b", VariantAndReplayTests.body, 400, "invalid_uri_params"),
            ("/sync/a::b/variant/eu", VariantAndReplayTests.body, 400, "invalid_uri_params"),
            ("/sync/tickets/variant/eu", "{}", 400, "invalid_body"),
            ("/sync/nothing/variant/eu", VariantAndReplayTests.body, 400, "unknown_sync"),
        ] as [(String, String, Int, String)])
    func `tells what is wrong with a variant`(uri: String, body: String, status: Int, code: String) async throws {
        let world = World()

        for method in [HTTPRequest.Method.post, .delete] {
            let answer = try await world.send(method, uri, bearer: world.devKey, body: body)
            #expect(answer.status == status && answer.code == code, "\(answer.body)")
        }
    }

    @Test func `sends one event again, or a range of time`() async throws {
        let world = World()

        let one = try await world.send(.post, "/webhook-events/msg_1/replay", bearer: world.devKey)
        let range = try await world.send(
            .post, "/webhook-events/replay", bearer: world.devKey,
            body: #"{"from":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z","events":"all"}"#)
        let open = try await world.send(
            .post, "/webhook-events/replay", bearer: world.devKey, body: #"{"from":"2026-01-01T00:00:00Z"}"#)

        #expect(one.status == 202 && one.json == ["events": 2, "deliveries": 3])
        #expect(range.status == 202 && open.status == 202)
        let from = try #require(Timestamp(iso8601: "2026-01-01T00:00:00Z"))
        #expect(
            world.engine.state.withLock { $0.replayed } == [
                .events(["msg_1"]), .range(from: from, until: from + .seconds(86_400), undelivered: false),
                .range(from: from, until: world.clock.now, undelivered: true),
            ])
    }

    @Test(arguments: ["{}", #"{"from":"yesterday"}"#, #"{"from":"2026-01-01T00:00:00Z","events":"some"}"#])
    func `refuses a range that is none`(body: String) async throws {
        let world = World()

        let answer = try await world.send(.post, "/webhook-events/replay", bearer: world.devKey, body: body)

        #expect(answer.status == 400 && answer.code == "invalid_body")
        #expect(world.engine.state.withLock { $0.replayed.isEmpty })
    }
}
