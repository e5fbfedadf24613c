import TerapiCore
import Testing

@testable import TerapiProviders

struct YAMLDocumentTests {
    private func json(_ text: String) throws -> JSONValue {
        try #require(try YAMLDocument.read(text, file: "a.yaml")).json
    }

    private func mistake(_ text: String) -> CatalogProblem? {
        do throws(CatalogProblem) {
            _ = try YAMLDocument.read(text, file: "a.yaml")
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        ("a: 1", #"{"a":1}"#), ("a: -12", #"{"a":-12}"#), ("a: 1.50", #"{"a":1.50}"#), ("a: 1e3", #"{"a":1e3}"#),
        ("a: 007", #"{"a":"007"}"#), ("a: 1.", #"{"a":"1."}"#), ("a: 0", #"{"a":0}"#), ("a: +1", #"{"a":"+1"}"#),
        ("a: 2022-06-28", #"{"a":"2022-06-28"}"#), ("a: 1.2.3", #"{"a":"1.2.3"}"#), ("a: .5", #"{"a":".5"}"#),
        ("a: 12345678901234567890", #"{"a":"12345678901234567890"}"#), ("a: '1'", #"{"a":"1"}"#),
        ("a: true", #"{"a":true}"#), ("a: FALSE", #"{"a":false}"#), ("a: \"true\"", #"{"a":"true"}"#),
        ("a: no", #"{"a":"no"}"#), ("a: On", #"{"a":"On"}"#), ("a: !!str 5", #"{"a":"5"}"#),
        ("a:", #"{"a":null}"#), ("a: ~", #"{"a":null}"#), ("a: null", #"{"a":null}"#), ("a: ''", #"{"a":""}"#),
        ("a: [1, b, {c: d}]", #"{"a":[1,"b",{"c":"d"}]}"#), ("a: |\n  x\n  y\n", #"{"a":"x\ny\n"}"#),
        ("a: >-\n  x\n  y", #"{"a":"x y"}"#), ("a: &x [1]\nb: *x", #"{"a":[1],"b":[1]}"#),
        ("base: &b {x: 1, y: 2}\na:\n  <<: *b\n  y: 3", #"{"base":{"x":1,"y":2},"a":{"y":3,"x":1}}"#),
        ("a: {<<: [{x: 1}, {x: 2, y: 3}]}", #"{"a":{"x":1,"y":3}}"#),
    ])
    func `reads what YAML means`(text: String, expected: String) throws {
        #expect(try json(text).text() == expected)
    }

    @Test(arguments: [
        ("a: 1\na: 2", 2, "stands here twice"), ("a: [", 2, "not YAML"), ("a: *b", 1, "has the anchor \"b\""),
        ("a: 1\n---\nb: 2", 2, "second document"), ("[a]: 1", 1, "key must be a text"),
        ("a: {<<: 5}", 1, "merges maps"), ("a: \"\\x\"", 1, "not YAML"), ("a: b: c", 1, "not YAML"),
        (String(repeating: "[", count: 100), 1, "stand inside each other"),
    ])
    func `says where a text is not what it should be`(text: String, line: Int, expected: String) throws {
        let problem = try #require(mistake(text))

        #expect(problem.line == line && problem.column > 0)
        #expect(problem.message.contains(expected), "\(problem)")
    }

    @Test func `a short text that stands for billions of values is refused`() throws {
        let levels = (1...12).map { level in
            let items = Array(repeating: level == 1 ? "x" : "*l\(level - 1)", count: 10)
            return "l\(level): &l\(level) [\(items.joined(separator: ", "))]"
        }

        let problem = try #require(mistake(levels.joined(separator: "\n")))

        #expect(problem.message.contains("more than 2000000 values"))
        // The control: what is counted is what it stands for.
        #expect(mistake(levels.prefix(5).joined(separator: "\n")) == nil)
    }

    /// Whoever walks down the values would need a stack as deep.
    @Test func `references do not stand deeper inside each other than maps and lists`() throws {
        func nest(_ name: String, _ inner: String) -> String {
            "\(name): &\(name) " + String(repeating: "[", count: 30) + inner + String(repeating: "]", count: 30)
        }
        let texts = [nest("a", "x"), nest("b", "*a"), nest("c", "*b")]

        let problem = try #require(mistake(texts.joined(separator: "\n")))

        #expect(problem.line == 3)
        #expect(problem.message.contains("More than 64"))
        #expect(mistake(texts.prefix(2).joined(separator: "\n")) == nil)
    }

    @Test func `an empty text has no root`() throws {
        #expect(try YAMLDocument.read("", file: "a.yaml") == nil)
        #expect(try YAMLDocument.read("# nothing\n", file: "a.yaml") == nil)
    }

    @Test func `every value knows its place`() throws {
        let root = try #require(try YAMLDocument.read("a:\n  b: [x,\n    y]\n", file: "a.yaml"))

        let list = try #require(root["a"]?["b"])
        #expect(list.place == YAMLNode.Place(line: 2, column: 6))
        #expect(list.items?.last?.place == YAMLNode.Place(line: 3, column: 5))
        #expect(root["a"]?.members?.first?.place == YAMLNode.Place(line: 2, column: 3))
    }

    @Test func `what is written can be read again`() throws {
        let object: JSONObject = [
            "plain": "some words", "like a number": "12", "like a flag": "true", "colon": "a: b", "empty": "",
            "lines": "a\nb", "url": "https://a.example/${connectionConfig.x}?a=b",
            "list": ["a", "- b", 1, true, .null, "x:"],
            "maps": [["a": 1], ["b": [2]]], "inner": ["x": ["y": "z"]], "none": .null, "no map": [:], "no list": [],
            "odd key: #": "x",
        ]

        let text = YAMLWriter.text(object)

        #expect(try json(text) == .object(object), "\(text)")
        #expect(text.contains("plain: some words\n"))
    }
}
