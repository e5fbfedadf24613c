import HTTPTypes
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

struct MCPTests {
    private static let headers = HTTPFields([("Provider-Config-Key", "zendesk"), ("Connection-Id", "c1")])

    private func ask(_ body: String, _ world: World, headers: HTTPFields = Self.headers) async throws -> Answer {
        try await world.send(.post, "/mcp", bearer: world.devKey, headers: headers, body: body)
    }

    @Test(arguments: [("2025-03-26", "2025-03-26"), ("2024-11-05", "2024-11-05"), ("1999-01-01", "2025-11-25")])
    func `agrees on a version of the protocol`(asked: String, expected: String) async throws {
        let answer = try await ask(
            #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"\#(asked)"}}"#, World())

        #expect(answer.status == 200)
        #expect(answer.json?["id"] == 0 && answer.json?["result"]?["protocolVersion"] == .string(expected))
        #expect(answer.json?["result"]?["capabilities"]?["tools"] != nil)
    }

    @Test func `offers the actions of the connection's integration as tools`() async throws {
        let answer = try await ask(#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#, World())

        #expect(
            answer.json?["result"]?["tools"] == [
                ["name": "create-ticket", "description": "", "inputSchema": ["type": "object"]]
            ])
        #expect(!answer.body.contains("code-canary"))
    }

    @Test func `runs an action and gives back what it returned`() async throws {
        let world = World()
        let call = #"{"name":"create-ticket","arguments":{"title":"a"}}"#

        let answer = try await ask(#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":\#(call)}"#, world)

        let result = try #require(answer.json?["result"])
        #expect(result["content"]?.array?.first?["text"] == #"{"made":1.0,"by":"dev-canary"}"#)
        #expect(result["isError"] == false)
        let request = try #require(world.engine.state.withLock { $0.requests.first?.request })
        #expect(request.input == ["title": "a"] && request.name == "create-ticket" && request.connectionID == "c1")
    }

    @Test func `lets the model read why an action failed`() async throws {
        let world = World()
        world.engine.state.withLock {
            $0.actionFailure = TerapiError(.invalidActionInput, "The input is not valid.")
        }

        let answer = try await ask(
            #"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"create-ticket"}}"#, world)

        #expect(answer.status == 200 && answer.json?["result"]?["isError"] == true)
        #expect(answer.body.contains("invalid_action_input"))
    }

    @Test(arguments: [
        (#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#, -32_601),
        (#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"nothing"}}"#, -32_602),
        (#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, -32_602),
        (#"{"id":1,"method":"ping"}"#, -32_600), (#"{"jsonrpc":"2.0","id":1}"#, -32_600), (#""hello""#, -32_600),
    ])
    func `answers what it cannot do in the protocol's words`(body: String, code: Int) async throws {
        let answer = try await ask(body, World())

        #expect(answer.json?["error"]?["code"]?.int == code, "\(answer.body)")
    }

    @Test(arguments: [
        #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, #"{"jsonrpc":"2.0","id":1,"result":{}}"#, "[]",
        #"[{"jsonrpc":"2.0","method":"notifications/cancelled"}]"#,
    ])
    func `accepts what wants no answer`(body: String) async throws {
        let answer = try await ask(body, World())

        #expect(answer.status == 202 && answer.body.isEmpty)
    }

    @Test func `answers several at once`() async throws {
        let answer = try await ask(
            #"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"x"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#,
            World())

        #expect(answer.json?.array?.map { $0["id"] } == [1, 2])
    }

    @Test func `refuses what no protocol of this kind would send`() async throws {
        let world = World()
        var old = Self.headers
        old[.mcpProtocolVersion] = "1.0"
        let elsewhere = HTTPFields([("Provider-Config-Key", "zendesk"), ("Connection-Id", "theirs")])
        let ping = #"{"jsonrpc":"2.0","id":1,"method":"ping"}"#

        let refused = try await ask(ping, world, headers: old)
        #expect(refused.status == 400 && refused.json?["error"]?["code"] == -32_022)
        #expect(refused.json?["error"]?["data"]?["supported"]?.array?.contains("2025-06-18") == true)
        #expect(try await ask(ping, world, headers: elsewhere).code == "unknown_connection")
        #expect(try await ask("{", world).code == "invalid_body")
        #expect(try await world.send(.get, "/mcp", bearer: world.devKey, headers: Self.headers).status == 405)
        #expect(try await world.send(.delete, "/mcp", bearer: world.devKey, headers: Self.headers).status == 405)
    }

    // MARK: Tools

    @Test func `names tools as models take them, each differently`() {
        #expect(ToolName.unique(["a.b", "a_b", "a b", "c"]) == ["a_b", "a_b_2", "a_b_3", "c"])
        let long = String(repeating: "x", count: 100)
        let names = ToolName.unique([long, long])
        #expect(names.allSatisfy { $0.count <= 64 } && Set(names).count == 2)
    }

    @Test func `shows a schema of the output that the client can hold the answer to`() throws {
        let tool = MCPTool(name: "find_ticket", action: FakeEngine.findTicket)

        // Terapi lets members pass that zod prints as excluded; the client would not.
        #expect(tool.json["outputSchema"] == ["type": "object", "properties": ["made": ["type": "number"]]])
        #expect(tool.result(Array(#"{"made":1,"more":2}"#.utf8))["structuredContent"] == ["made": 1, "more": 2])
    }

    @Test func `wraps an input that is no object`() {
        var action = FakeEngine.findTicket
        action.input = ["type": "string"]
        action.output = ["type": "string"]
        let tool = MCPTool(name: "t", action: action)

        #expect(tool.json["inputSchema"]?["properties"] == ["input": ["type": "string"]])
        #expect(tool.json["outputSchema"] == nil)
        #expect(tool.input(["input": "x"]) == "x")
        #expect(tool.result(Array(#""x""#.utf8))["structuredContent"] == nil)
    }

    @Test func `gives no input to an action that takes none`() {
        var action = FakeEngine.findTicket
        action.input = nil
        let tool = MCPTool(name: "t", action: action)

        #expect(tool.input([:]) == nil && tool.input(nil) == nil)
        #expect(tool.json["inputSchema"] == ["type": "object"])
        #expect(MCPTool(name: "t", action: FakeEngine.findTicket).input(nil) == [:])
    }
}
