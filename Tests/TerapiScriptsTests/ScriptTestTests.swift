import TerapiCore
import TerapiScripts
import Testing

struct ScriptTestTests {
    private static func request(
        _ method: String = "GET", _ endpoint: String, query: [(name: String, value: String)] = [], body: String? = nil
    ) -> ScriptRequest {
        ScriptRequest(method: method, endpoint: endpoint, query: query, body: body.map { Array($0.utf8) })
    }

    private static let exchanges = [
        Exchange(
            request("GET", "https://api.example/items?page=1", query: [("tag", "a"), ("tag", "b")]),
            .success(
                ScriptResponse(
                    status: 200,
                    headers: [
                        ("content-type", "application/json"), ("set-cookie", "s=1"), ("x-auth-token", "t"),
                        ("link", "<a>"), ("link", "<b>"), ("date", "today"),
                    ],
                    body: Array(#"{ "items": [1.50, "é"] }"#.utf8)
                )
            )
        ),
        Exchange(
            request("post", "upload", body: "a=b"),
            .success(ScriptResponse(status: 204, headers: [], body: [0xFF, 0x00]))
        ),
        Exchange(request("GET", "/gone"), .failure(TerapiError(.providerUnreachable, "No answer."))),
    ]

    @Test
    func `reads from its file what it has written`() throws {
        let test = ScriptTest(
            script: "items",
            kind: .sync,
            facts: ["now": "2026-01-01T00:00:00Z", "metadata": ["a": [1, 2]]],
            calls: [.init(name: "getToken", arguments: [], result: "secret-1")],
            exchanges: Self.exchanges,
            result: ["saved": ["Item": [["id": "1"]]]]
        )

        let read = try ScriptTest(Array(test.text.utf8), file: "items.test.json")

        #expect(read == test)
        #expect(test.text.contains(#""query": { "page": "1", "tag": ["a", "b"] }"#))
    }

    @Test
    func `keeps of an answer what a script can want, and nothing that authorizes`() {
        #expect(
            Self.exchanges[0].answer
                == .response(
                    status: 200,
                    headers: ["content-type": "application/json", "link": "<a>, <b>"],
                    body: .json(["items": [.number("1.50"), "é"]])
                )
        )
        #expect(Self.exchanges[1].request == RecordedRequest(method: "POST", path: "/upload", body: .text("a=b")))
    }

    @Test(arguments: [
        ("[", "it is not JSON"), ("{}", "expected the members"),
        (#"{"script":"a","kind":"job"}"#, "expected the members"),
        (#"{"script":"a","kind":"sync","exchanges":[{}]}"#, "expected \"request\""),
        (
            #"{"script":"a","kind":"sync","exchanges":[{"request":{"method":"GET","path":"/"}}]}"#,
            "expected \"response\" with \"status\" for GET /"
        ),
    ])
    func `says what is wrong with a file`(text: String, message: String) {
        let error = #expect(throws: TerapiError.self) { try ScriptTest(Array(text.utf8), file: "a.test.json") }

        #expect(error?.message.hasPrefix("The test a.test.json cannot be read: \(message)") == true)
    }

    @Test
    func `compares what came of a run, and not what it began with`() {
        let document: JSONValue = [
            "output": .null, "saved": ["Item": [["id": "1"]], "None": []], "updated": [:], "deleted": ["Item": []],
            "tracked": [:], "checkpoint": ["page": 2], "metadata": ["a": 1], "logs": [["message": "m"]],
            "error": ["type": "TypeError", "message": "x", "location": "a.ts:1:2"],
        ]

        let result = ScriptTest.result(of: document, facts: ["metadata": ["a": 1]])

        #expect(
            result == [
                "saved": ["Item": [["id": "1"]]], "checkpoint": ["page": 2],
                "error": ["type": "TypeError", "message": "x"],
            ])
        #expect(ScriptTest.result(of: document, facts: [:])["metadata"] == ["a": 1])
    }

    @Test
    func `answers each recorded request once, whatever the order of its parameters`() throws {
        let replay = Replay([Self.exchanges[0], Self.exchanges[0], Self.exchanges[2]])
        let request = Self.request("GET", "/items", query: [("tag", "b"), ("tag", "a"), ("page", "1")])

        #expect(try replay.answer(request).status == 200)
        #expect(replay.missing.count == 2 && replay.used.count == 1)
        #expect(try replay.answer(request).body == Array(#"{"items":[1.50,"é"]}"#.utf8))
        #expect(throws: TerapiError.self) { try replay.answer(request) }
        #expect(replay.unexpected.map(\.summary) == ["GET /items?tag=b&tag=a&page=1"])
        #expect(replay.missing.map(\.request.summary) == ["GET /gone"])
    }

    @Test(arguments: [
        request("POST", "/items?page=1"), request("GET", "/item?page=1"), request("GET", "/items?page=2"),
        request("GET", "/items?page=1", body: "{}"),
    ])
    func `a request that differs has no answer`(request: ScriptRequest) throws {
        let replay = Replay([Exchange(Self.request("GET", "/items?page=1"), .success(.json("[]")))])

        #expect(throws: TerapiError.self) { try replay.answer(request) }
        #expect(try replay.answer(Self.request("GET", "items", query: [("page", "1")])).status == 200, "the control")
    }

    @Test
    func `a failure that was recorded fails again`() {
        let error = #expect(throws: TerapiError.self) {
            try Replay(Self.exchanges).answer(Self.request("GET", "/gone"))
        }

        #expect(error?.message == "No answer.")
    }
}

struct SecretRemovalTests {
    @Test
    func `takes secrets out wherever they stand, the same one by the same word`() {
        let login = Exchange(
            ScriptRequest(method: "POST", endpoint: "/login", query: [("api_key", "key-of-mine")]),
            .success(.json(#"{"access_token":"at-12345","next_page":"at-1234","list":[{"clientSecret":"hush-hush"}]}"#))
        )
        let next = Exchange(
            ScriptRequest(method: "GET", endpoint: "/x/at-12345?k=key-of-mine&s=hush-hush"),
            .success(.json(#"{"token":"short","echo":"known-one, at-12345"}"#))
        )
        var secrets = SecretRemoval(known: ["known-one"])
        secrets.learnAll(["type": "OAUTH2", "raw": ["deep": "deep-secret"]])
        secrets.learn(from: [login, next])

        let cleaned = [login, next].map(secrets.clean)

        let text = ScriptTest(script: "a", kind: .sync, facts: [:], exchanges: cleaned, result: [:]).text
        for secret in ["at-12345", "key-of-mine", "hush-hush", "known-one"] { #expect(!text.contains(secret)) }
        #expect(text.contains("at-1234\""), "what only begins like a secret is none")
        #expect(secrets.clean("deep-secret OAUTH2") == "secret-2 OAUTH2")
        #expect(cleaned[1].request.path.hasPrefix("/x/secret-"))
        let word = cleaned[1].request.path.dropFirst(3)
        #expect(
            cleaned[0].answer
                == .response(
                    status: 200, headers: [:],
                    body: .json([
                        "access_token": .string(String(word)), "next_page": "at-1234",
                        "list": [["clientSecret": .string(secrets.clean("hush-hush"))]],
                    ])))
    }

    @Test
    func `leaves everything alone when there is no secret`() {
        let exchange = Exchange(
            ScriptRequest(method: "GET", endpoint: "/a"), .success(.json(#"{"next_token":"abcdefgh"}"#)))
        var secrets = SecretRemoval()
        secrets.learn(from: [exchange])

        #expect(secrets.clean(exchange) == exchange)
    }
}
