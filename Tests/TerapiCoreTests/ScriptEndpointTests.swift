import TerapiCore
import Testing

struct ScriptEndpointTests {
    @Test(
        arguments: [
            ("GET /crm/contacts", "GET /crm/contacts"), ("/contacts", "POST /contacts"),
            (["method": "put", "path": "/tickets/{id}", "group": "Tickets"], "PUT /tickets/{id}"),
            (["GET": "/a-b/c_d/e.f~g"], "GET /a-b/c_d/e.f~g"), (["path": "/x"], "POST /x"),
        ] as [(JSONValue, String)])
    func `reads what authors write`(value: JSONValue, expected: String) throws {
        #expect(try ScriptEndpoint(value, defaultMethod: .post).text == expected)
    }

    @Test(
        arguments: [
            "contacts", "", "GET contacts", "FETCH /x", "GET /a//b", "GET /a/", "GET /", "GET /a b", "GET /a/../b",
            "GET /{id}/{id}", "GET /{}", "GET /a{id}", "GET /openapi.json", "GET /é", 7, [:], ["method": "GET"],
        ] as [JSONValue])
    func `refuses what is no endpoint`(value: JSONValue) {
        #expect(throws: TerapiError.self) { try ScriptEndpoint(value, defaultMethod: .get) }
    }

    @Test func `takes the values of its parameters from a path`() throws {
        let endpoint = try ScriptEndpoint("GET /tickets/{id}/notes/{note}", defaultMethod: .get)

        #expect(endpoint.values(in: ["tickets", "7", "notes", "a/b"]) == ["id": "7", "note": "a/b"])
        #expect(endpoint.values(in: ["tickets", "7", "note", "a"]) == nil)
        #expect(endpoint.values(in: ["tickets", "7", "notes"]) == nil)
    }

    @Test func `knows when a request could be meant for two`() throws {
        func meet(_ one: String, _ two: String) throws -> Bool {
            try ScriptEndpoint(.string(one), defaultMethod: .get)
                .meets(ScriptEndpoint(.string(two), defaultMethod: .get))
        }

        #expect(try meet("GET /a/{id}", "GET /a/{key}"))
        #expect(try !meet("GET /a/{id}", "GET /a/new"))
        #expect(try !meet("GET /a", "POST /a"))
    }

    @Test func `a sync is read, at an address without parameters`() throws {
        #expect(throws: TerapiError.self) {
            try ScriptEndpoint("POST /a", defaultMethod: .get).forSync(saving: ["A"])
        }
        #expect(throws: TerapiError.self) {
            try ScriptEndpoint("GET /a/{id}", defaultMethod: .get).forSync(saving: ["A"])
        }
        #expect(throws: TerapiError.self) {
            try ScriptEndpoint(["path": "/a", "model": "B"], defaultMethod: .get).forSync(saving: ["A"])
        }
        #expect(
            try ScriptEndpoint(["path": "/a", "model": "A"], defaultMethod: .get).forSync(saving: ["A"]).model == "A")
    }
}
