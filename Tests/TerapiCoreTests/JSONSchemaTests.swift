import TerapiCore
import Testing

struct JSONSchemaTests {
    private func issues(_ schema: String, _ value: String) throws -> [TerapiError.Issue] {
        JSONSchema(try JSONReader.read(schema)).issues(with: try JSONReader.read(value))
    }

    @Test(arguments: [
        (#"{"type":"string"}"#, #""a""#, "1"),
        (#"{"type":["string","null"]}"#, "null", "true"),
        (#"{"type":"string","nullable":true}"#, "null", "[]"),
        (#"{"type":"integer"}"#, "3.0", "3.5"),
        (#"{"type":"integer","maximum":9007199254740991}"#, "9007199254740991", "9007199254740993000"),
        (#"{"type":"number","minimum":1,"maximum":2}"#, "2", "2.1"),
        (#"{"exclusiveMinimum":1}"#, "1.5", "1"),
        (#"{"exclusiveMaximum":1}"#, "0", "1"),
        (#"{"multipleOf":0.1}"#, "0.3", "0.35"),
        (#"{"minLength":2,"maxLength":3}"#, #""äöü""#, #""a""#),
        (#"{"pattern":"^[a-z]+\\d$"}"#, #""ab1""#, #""AB1""#),
        (#"{"enum":["a",1]}"#, "1.0", #""b""#),
        (#"{"const":{"a":[1]}}"#, #"{"a":[1.0]}"#, #"{"a":[2]}"#),
        (#"{"type":"array","items":{"type":"number"}}"#, "[1,2]", #"[1,"2"]"#),
        (#"{"prefixItems":[{"type":"string"}],"items":false}"#, #"["a"]"#, #"["a",1]"#),
        (#"{"minItems":1,"maxItems":2}"#, "[1]", "[]"),
        (#"{"uniqueItems":true}"#, "[1,2]", "[1,1]"),
        (#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}"#, #"{"a":"x","b":1}"#, "{}"),
        (#"{"properties":{"a":{}},"additionalProperties":false}"#, #"{"a":1}"#, #"{"b":1}"#),
        (#"{"additionalProperties":{"type":"number"}}"#, #"{"a":1}"#, #"{"a":"1"}"#),
        (#"{"propertyNames":{"maxLength":1}}"#, #"{"a":1}"#, #"{"ab":1}"#),
        (#"{"anyOf":[{"type":"string"},{"type":"null"}]}"#, "null", "1"),
        (#"{"oneOf":[{"type":"integer"},{"minimum":5}]}"#, "3", "7"),
        (#"{"allOf":[{"type":"integer"},{"minimum":5}]}"#, "7", "3"),
        (#"{"not":{"type":"null"}}"#, "1", "null"),
        (##"{"$ref":"#/$defs/a~1b","$defs":{"a/b":{"type":"string"}}}"##, #""x""#, "1"),
        (
            ##"{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["next"]}"##,
            #"{"next":{"next":null}}"#, #"{"next":{"next":1}}"#
        ),
        ("true", "1", ""), ("false", "", "1"),
    ])
    func `tells what is valid from what is not`(schema: String, valid: String, invalid: String) throws {
        if !valid.isEmpty { #expect(try issues(schema, valid).isEmpty) }
        if !invalid.isEmpty { #expect(try !issues(schema, invalid).isEmpty) }
    }

    @Test func `leads to every mistake`() throws {
        let schema = #"""
            {"type":"object","additionalProperties":false,"required":["name","tags"],"properties":{
                "name":{"type":"string","minLength":1},
                "tags":{"type":"array","items":{"type":"string"}},
                "owner":{"anyOf":[{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]},
                    {"type":"null"}]}}}
            """#

        let found = try issues(schema, #"{"tags":["a",2,true],"owner":{"id":"x"},"extra":1}"#)

        #expect(Set(found.map(\.path)) == [["name"], ["tags", "1"], ["tags", "2"], ["owner", "id"], ["extra"]])
        #expect(found.first { $0.path == ["name"] }?.message == "Required.")
        #expect(found.first { $0.path == ["tags", "1"] }?.message == "Expected a string and not number.")
        #expect(found.first { $0.path == ["extra"] }?.code == "unrecognized_keys")
    }

    @Test func `names the kinds when no form of a union fits`() throws {
        let found = try issues(#"{"anyOf":[{"type":"string"},{"type":"number"}]}"#, "[]")

        #expect(found.map(\.message) == ["Expected a number or a string; this is none of them."])
    }

    @Test(arguments: [
        ##"{"$ref":"#"}"##, ##"{"allOf":[{"$ref":"#"}]}"##, ##"{"$ref":"#/nowhere"}"##, #"{"pattern":"("}"#,
        #"{"format":"email"}"#, #"{"type":"string","minLength":"x"}"#,
    ])
    func `ends on a schema that leads nowhere, and does not check what it does not know`(schema: String) throws {
        #expect(try issues(schema, #""text""#).isEmpty)
    }

    @Test func `lets further members pass where it is to`() throws {
        let document = try JSONReader.read(
            #"{"anyOf":[{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}]}"#
        )

        #expect(JSONSchema(document, allowsMoreMembers: true).issues(with: ["a": "x", "b": 1]).isEmpty)
        #expect(!JSONSchema(document, allowsMoreMembers: true).issues(with: ["a": 1]).isEmpty)
        #expect(!JSONSchema(document).issues(with: ["a": "x", "b": 1]).isEmpty)
    }

    @Test func `gives up after many mistakes`() throws {
        let values = "[" + Array(repeating: "1", count: 1_000).joined(separator: ",") + "]"

        #expect(try issues(#"{"items":{"type":"string"}}"#, values).count == 20)
    }

    @Test(arguments: [
        (
            #"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"#,
            "ann@example.com", "ann@@example.com"
        ),
        (
            #"^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12})$"#,
            "123e4567-e89b-12d3-a456-426614174000", "123e4567"
        ),
        (#"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z)$"#, "2026-01-02T03:04:05.5Z", "2026-01-02"),
    ])
    func `reads the patterns that zod prints`(pattern: String, valid: String, invalid: String) throws {
        let schema = JSONSchema(["type": "string", "pattern": .string(pattern)])

        #expect(schema.issues(with: .string(valid)).isEmpty)
        #expect(schema.issues(with: .string(invalid)).count == 1)
    }
}
