import TerapiCore
import Testing

struct JSONReaderTests {
    @Test(
        arguments: [
            ("null", .null), ("true", .bool(true)), ("false", .bool(false)), ("0", .number("0")), ("-0", .number("-0")),
            (" \t\r\n1 \n", .number("1")), (#""""#, .string("")), ("[]", .array([])), ("[ ]", .array([])),
            ("{}", .object([:])), ("{ }", .object([:])), ("[1,[2,[]]]", .array([1, [2, []]])),
            (#"{"a":{"b":[true,null]},"c":""}"#, .object(["a": ["b": [true, .null]], "c": ""])),
            (#"{"":1}"#, .object(["": 1])), (#""é€😀""#, .string("é€😀")),
        ] as [(String, JSONValue)])
    func `reads a valid document`(text: String, expected: JSONValue) throws {
        #expect(try JSONReader.read(text) == expected)
    }

    @Test(arguments: [
        "12345678901234567890123", "0.1000000000000000055511151231257827", "1e400", "-1.50E-07", "1E+9", "100000e-5",
        "-0.0", "9007199254740993",
    ])
    func `keeps the digits of a number`(digits: String) throws {
        #expect(try JSONReader.read(digits) == .number(digits))
        #expect(try JSONReader.read("[\(digits)]").text() == "[\(digits)]")
    }

    @Test(arguments: [
        ("", 0), ("   ", 3), ("nul", 0), ("nulll", 4), ("True", 0), ("NaN", 0), ("Infinity", 0), ("'a'", 0),
        ("01", 1), ("-", 1), ("+1", 0), (".5", 0), ("1.", 2), ("1.e2", 2), ("1e", 2), ("1e+", 3), ("0x10", 1),
        ("1 2", 2), ("[1", 2), ("[1,", 3), ("[1,]", 3), ("[,1]", 1), ("[1 2]", 3), ("]", 0),
        ("{", 1), (#"{"a"}"#, 4), (#"{"a":}"#, 5), (#"{"a":1,}"#, 7), (#"{a:1}"#, 1), (#"{"a":1 "b":2}"#, 7),
        (#"{1:2}"#, 1), (#""abc"#, 4), (#""\x""#, 3), (#""\u12"#, 3), (#""\u12G4""#, 5), ("\"a\nb\"", 2),
        ("\"a\u{0}b\"", 2), ("\u{FEFF}1", 0), ("// no\n1", 0), ("[1]//", 3), ("\u{A0}1", 0),
    ])
    func `refuses an invalid document and says where`(text: String, offset: Int) {
        let failure = #expect(throws: JSONReader.Failure.self) { try JSONReader.read(text) }
        #expect(failure?.offset == offset)
        #expect(failure?.description.hasSuffix("at byte \(offset)") == true)
    }

    @Test(
        arguments: [
            [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xE2, 0x82, 0x22],
            [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0x5C, 0x6E, 0x80, 0x22],
        ] as [[UInt8]])
    func `refuses a string that is not UTF-8`(bytes: [UInt8]) {
        #expect(throws: JSONReader.Failure.self) { try JSONReader.read(bytes) }
    }

    @Test(arguments: [
        (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"), (#""\u0041\u00e9\u20AC""#, "Aé€"),
        (#""\ud83d\ude00""#, "😀"), (#""x\uD83D\uDE00y""#, "x😀y"), (#""\u0000""#, "\u{0}"),
        (#""\ud83d""#, "\u{FFFD}"), (#""\ude00""#, "\u{FFFD}"), (#""\ud83dx""#, "\u{FFFD}x"),
        (#""\ud83d\n""#, "\u{FFFD}\n"), (#""\ud83d\u0041""#, "\u{FFFD}A"),
        (#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"), (#""\ude00\ud83d""#, "\u{FFFD}\u{FFFD}"),
    ])
    func `reads escapes, and lone surrogates as replacement characters`(text: String, expected: String) throws {
        #expect(try JSONReader.read(text).string.map { Array($0.utf8) } == Array(expected.utf8))
    }

    @Test
    func `keeps the first place and the last value of a repeated name`() throws {
        let value = try JSONReader.read(#"{"a":1,"b":2,"a":3,"\u0061":4}"#)
        #expect(value.text() == #"{"a":4,"b":2}"#)
    }

    @Test
    func `refuses a repeated name where it is not allowed`() {
        let limits = JSONReader.Limits(allowsRepeatedNames: false)
        #expect(throws: Never.self) { try JSONReader.read(#"{"a":1,"b":{"a":2}}"#, limits: limits) }
        let failure = #expect(throws: JSONReader.Failure.self) {
            try JSONReader.read(#"{"b":0,"a":1,"c":0,"a":3}"#, limits: limits)
        }
        #expect(failure?.repeatedName == "a")
    }

    @Test
    func `reads as deep as allowed and not deeper`() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        let limits = JSONReader.Limits(maxDepth: 10)
        #expect(throws: Never.self) { try JSONReader.read(nested(11), limits: limits) }
        let failure = #expect(throws: JSONReader.Failure.self) { try JSONReader.read(nested(12), limits: limits) }
        #expect(failure?.offset == 11)
        // Far beyond what the stack could take.
        #expect(throws: JSONReader.Failure.self) { try JSONReader.read(String(repeating: "[", count: 1_000_000)) }
    }

    @Test
    func `reads as many values as allowed and not more`() throws {
        let limits = JSONReader.Limits(maxNodes: 4)
        #expect(throws: Never.self) { try JSONReader.read("[1,2,3]", limits: limits) }
        #expect(throws: JSONReader.Failure.self) { try JSONReader.read("[1,2,3,4]", limits: limits) }
    }

    @Test
    func `reads a hundred thousand members in linear time`() throws {
        let members = (0..<100_000).map { #""k\#($0 % 50_000)":\#($0)"# }.joined(separator: ",")
        let object = try #require(try JSONReader.read("{\(members)}").object)
        #expect(object.members.count == 50_000)
        #expect(object.members.first?.value == 50_000)
    }

    @Test
    func `reads a slice of a buffer`() throws {
        let bytes = Array(#"xx{"a":1}yy"#.utf8)
        #expect(try JSONReader.read(bytes[2..<9]) == ["a": 1])
    }
}
