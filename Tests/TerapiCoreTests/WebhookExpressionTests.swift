import Testing

@testable import TerapiCore

struct WebhookExpressionTests {
    private let scope = WebhookScope(
        request: ProviderWebhookRequest(
            method: "POST",
            url: "https://t.example/webhook/a/b?c=1&d=2&d=3",
            headers: [
                .init("x-a", "A"), .init("x-twice", "1"), .init("x-twice", "2"), .init("host", "acme.shop.example"),
            ],
            body: Array("raw".utf8)
        ),
        body: [
            "id": 7, "flag": false, "none": .null, "nested": ["a.b": "dotted", "self": "https://x.example/rest/1"],
            "list": [["id": "1", "deep": [["n": 1], ["n": 2]]], ["id": "2"]], "data[id]": "form",
        ],
        item: ["type": "t", "id": "i"],
        key: "dailies",
        signatureFields: [("t", "12"), ("v1", "x"), ("v1", "y")],
        secrets: ["secret": Secret("s")]
    )

    @Test(arguments: [
        ("header:X-A", ["A"]), ("header:x-twice", []), ("header:x-none", []), ("query:c", ["1"]), ("query:d", []),
        ("body:id", ["7"]), ("body:flag", ["false"]), ("body:none", []), ("body:nested.a.b", ["dotted"]),
        ("body:list[].id", ["1", "2"]), ("body:list[].deep[].n", ["1", "2"]), ("body:list.1.id", ["2"]),
        ("body:data[id]", ["form"]), ("body:missing|id", ["7"]), ("body:missing|header:x-a", ["A"]),
        ("item:type+id", ["t.i"]), ("item:type+missing", ["t"]), ("item:missing+also", []), ("key", ["dailies"]),
        ("lit:a|b+c:(d", ["a|b+c:(d"]), ("sigkv:t", ["12"]), ("sigkv:v1", []), ("method", ["POST"]),
        ("url", ["https://t.example/webhook/a/b?c=1&d=2&d=3"]), ("body", ["raw"]), ("secret", ["s"]),
        ("origin(body:missing|nested.self)", ["https://x.example"]), ("host_label(header:host)", ["acme"]),
        ("concat(lit:a-, body:id)", ["a-7"]), ("concat(lit:a-, body:missing)", []),
        ("hash(lit:abc)", ["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]),
        ("hmac_hex(sha256, secret, lit:abc)", []),
    ])
    func `points to the values that it names`(text: String, expected: [String]) throws {
        let values = scope.values(try WebhookExpression(text)).compactMap(\.plainText)

        guard text.hasPrefix("hmac_hex") else { return #expect(values == expected) }
        #expect(values == [hex(hmacSHA256(key: Array("s".utf8), Array("abc".utf8)))])
    }

    @Test(arguments: ["", "nothing", "heder:x", "body:", "concat(heder:x)", "a|b"])
    func `refuses what names no place`(text: String) {
        #expect(throws: WebhookExpression.Mistake.self) { try WebhookExpression(text) }
    }

    @Test(arguments: [
        ("body:id==7", true), ("body:id!=7", false), ("!body:id", false), ("!body:missing", true), ("body:id", true),
        ("body:flag==false", true), ("body:missing==", false), ("item:type==t", true),
    ])
    func `says whether a condition holds`(text: String, holds: Bool) throws {
        #expect(try WebhookCondition(text).holds(in: scope) == holds)
    }

    @Test
    func `reads a condition in its place`() throws {
        #expect(try WebhookCondition("id==7", in: "body") == WebhookCondition("body:id==7"))
        #expect(try WebhookCondition("!item:id", in: "body") == WebhookCondition("!item:id"))
        #expect(try WebhookCondition("key==x", in: "body").holds(in: scope) == false)
    }

    @Test(arguments: [
        ("a", "a", true), ("a", "b", false), ("*", "", true), ("a.*", "a.b", true), ("a.*", "ab", false),
        ("*.b", "a.b", true), ("a*a", "a", false), ("a*c*e", "abcde", true), ("a*c*e", "ace", true),
        ("a*c*e", "aec", false), ("", "a", false),
    ])
    func `matches the types of events`(pattern: String, name: String, matches: Bool) {
        #expect(ProviderWebhookRule.matches(pattern, name) == matches)
    }
}
