import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

/// What commands on the same machine ask.
struct AdminTests {
    private func send(
        _ world: World, _ method: HTTPRequest.Method, _ uri: String, _ body: String? = nil
    ) async throws -> Answer {
        let application = Application(responder: world.api.responder(routes: world.api.adminRoutes))
        let headers: HTTPFields = body == nil ? [:] : [.contentType: "application/json"]
        return try await application.test(.router) { client in
            try await client.execute(
                uri: uri, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }
            ) {
                Answer(status: $0.status.code, headers: $0.headers, body: String(buffer: $0.body))
            }
        }
    }

    @Test func `makes a key that works and ends at once when it is deleted`() async throws {
        let world = World()

        let made = try await send(world, .post, "/admin/api-keys?environment=dev", #"{"display_name":"new"}"#)
        let secret = try #require(made.json?["data"]?["secret"]?.string)
        let id = try #require(made.json?["data"]?["id"]?.int)
        let key = try #require(Token(secret, .apiKey))
        let before = try await world.send(.get, "/connections", bearer: key)
        let listed = try await send(world, .get, "/admin/api-keys?environment=dev")
        let deleted = try await send(world, .delete, "/admin/api-keys/\(id)?environment=dev")
        let after = try await world.send(.get, "/connections", bearer: key)

        #expect(made.status == 201)
        #expect(before.status == 200)
        #expect(listed.body.contains("\"new\""))
        #expect(!listed.body.contains(secret))
        #expect(deleted.status == 200)
        #expect(after.status == 401)
    }

    @Test func `sets, lists and unsets variables`() async throws {
        let world = World()
        let uri = "/admin/variables?environment=dev"

        let changed = try await send(world, .patch, uri, #"{"variables":{"KEY":"k","REGION":null}}"#)
        let listed = try await send(world, .get, uri)
        let refused = try await send(world, .patch, uri, #"{"variables":{"no name":"k"}}"#)

        #expect(changed.status == 200)
        #expect(listed.json?["data"] == [["name": "KEY", "value": "k"]])
        #expect(refused.paths == [["variables", "no name"]])
        #expect(try await send(world, .get, "/admin/variables?environment=prod").body.contains("prod-canary"))
    }

    @Test func `looks a key up once and not for each request`() async throws {
        let world = World()

        for _ in 1...5 { _ = try await world.send(.get, "/connections", bearer: world.devKey) }

        #expect(world.storage.state.withLock { $0.keyLookups } == 1)
    }

    @Test func `follows the log from a place`() async throws {
        let world = World()

        let all = try await send(world, .get, "/admin/logs/messages?after=0")
        let rest = try await send(world, .get, "/admin/logs/messages?after=1")

        #expect(all.json?["data"]?.array?.count == 1)
        #expect(rest.json?["data"] == [])
    }

    @Test(arguments: [
        ("/admin/api-keys?environment=nope", 404), ("/admin/api-keys", 400),
        ("/admin/api-keys?environment=dev&x=1", 400),
        ("/connections", 404),
    ])
    func `refuses what it does not know`(uri: String, status: Int) async throws {
        #expect(try await send(World(), .get, uri).status == status)
    }

    @Test func `names a scope that does not exist`() async throws {
        let answer = try await send(
            World(), .post, "/admin/api-keys?environment=dev",
            #"{"display_name":"x","scopes":["environment:deploy","all"]}"#
        )

        #expect(answer.paths == [["scopes", "1"]])
    }

    @Test func `is no part of the public interface`() async throws {
        let world = World()

        for route in world.api.adminRoutes where route.path.hasPrefix("/admin") {
            #expect(try await world.send(route.method, route.path, bearer: world.devKey).status == 404)
        }
    }
}
