import TerapiCore
import Testing

struct JSONValueTests {
    @Test
    func `writes members in the order of their names at every depth`() {
        let value: JSONValue = ["b": [["z": 1, "a": 2]], "a": ["d": .null, "c": true], "B": "x", "": 0]
        #expect(value.text(sortedKeys: true) == #"{"":0,"B":"x","a":{"c":true,"d":null},"b":[{"a":2,"z":1}]}"#)
        #expect(value.text() == #"{"b":[{"z":1,"a":2}],"a":{"d":null,"c":true},"B":"x","":0}"#)
    }

    @Test
    func `gives the same bytes for documents that differ in their order only`() throws {
        let one = try JSONReader.read(#"{"x":{"b":1,"a":[1,2]},"y":2}"#)
        let other = try JSONReader.read(#"{ "y": 2, "x": { "a": [1, 2], "b": 1 } }"#)
        let swapped = try JSONReader.read(#"{"x":{"b":1,"a":[2,1]},"y":2}"#)
        #expect(one.encoded(sortedKeys: true) == other.encoded(sortedKeys: true))
        #expect(one == other)
        #expect(one.hashValue == other.hashValue)
        #expect(one.encoded(sortedKeys: true) != swapped.encoded(sortedKeys: true))
        #expect(one != swapped)
    }

    @Test(arguments: [
        ("\"\\/", #""\"\\/""#), ("\n\r\t", #""\n\r\t""#), ("\u{0}\u{8}\u{1F}", #""\u0000\u0008\u001f""#),
        ("\u{7F}é😀\u{2028}", "\"\u{7F}é😀\u{2028}\""), ("</script>", #""</script>""#),
    ])
    func `escapes what must be escaped and nothing else`(text: String, expected: String) throws {
        #expect(JSONValue.string(text).text() == expected)
        #expect(try JSONReader.read(expected) == .string(text))
    }

    @Test(
        arguments: [
            ("data.items.1.id", "b"), ("data.items.0", ["id": "a"]), ("data", ["items": [["id": "a"], ["id": "b"]]]),
        ] as [(String, JSONValue)])
    func `finds a value by its path`(path: String, expected: JSONValue) {
        let value: JSONValue = ["data": ["items": [["id": "a"], ["id": "b"]]]]
        #expect(value.value(at: path) == expected)
    }

    @Test(arguments: ["data.items.2", "data.items.-1", "data.items.x", "date", "data.items.0.id.x"])
    func `finds nothing where a step is missing`(path: String) {
        let value: JSONValue = ["data": ["items": [["id": "a"], ["id": "b"]]]]
        #expect(value.value(at: path) == nil)
    }

    @Test(
        arguments: [
            (.null, "null"), (.bool(true), "boolean"), (1, "number"), ("", "string"), ([], "array"), ([:], "object"),
        ] as [(JSONValue, String)])
    func `names its kind`(value: JSONValue, kind: String) {
        #expect(value.kind == kind)
    }

    @Test
    func `reads whole numbers only where they fit`() {
        #expect(JSONValue.number("42").int == 42)
        #expect(JSONValue.number("9223372036854775807").int == Int.max)
        for digits in ["9223372036854775808", "1.0", "1e3"] { #expect(JSONValue.number(digits).int == nil) }
        #expect(JSONValue.string("42").int == nil)
    }

    @Test
    func `replaces in place, adds at the end and removes`() {
        var object: JSONObject = ["a": 1, "b": 2]
        object["a"] = 3
        object["c"] = 4
        object["b"] = nil
        object["missing"] = nil
        #expect(JSONValue.object(object).text() == #"{"a":3,"c":4}"#)
        #expect(JSONValue.object(object.merging(["c": 5, "d": 6])).text() == #"{"a":3,"c":5,"d":6}"#)
    }
}
