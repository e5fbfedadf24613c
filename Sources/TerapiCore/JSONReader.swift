/// Reads JSON strictly (RFC 8259) and within limits, so that a hostile document costs little.
///
/// Numbers keep their digits. Lone surrogates become U+FFFD; a byte sequence that is not UTF-8 is an error.
public struct JSONReader {
    /// What a document may at most be. The defaults bound what a provider or a caller can make us hold.
    public struct Limits: Sendable {
        public var maxDepth: Int
        public var maxNodes: Int
        /// Whether the last member of a name wins; else a repeated name is an error.
        public var allowsRepeatedNames: Bool

        public init(maxDepth: Int = 128, maxNodes: Int = 1_000_000, allowsRepeatedNames: Bool = true) {
            self.maxDepth = maxDepth
            self.maxNodes = maxNodes
            self.allowsRepeatedNames = allowsRepeatedNames
        }
    }

    /// Why a document could not be read, and at which byte, counted from 0.
    public struct Failure: Error, CustomStringConvertible {
        public var message: String
        public var offset: Int
        /// The member's name, when it is that a name is repeated.
        public var repeatedName: String?
        public var description: String { "\(message) at byte \(offset)" }
    }

    private let bytes: UnsafeBufferPointer<UInt8>
    private let limits: Limits
    private var index = 0
    private var nodes = 0

    private init(bytes: UnsafeBufferPointer<UInt8>, limits: Limits) {
        self.bytes = bytes
        self.limits = limits
    }

    /// Reads one document; anything but space after it is an error.
    public static func read(_ bytes: some Collection<UInt8>, limits: Limits = Limits()) throws(Failure) -> JSONValue {
        let result =
            bytes.withContiguousStorageIfAvailable { read(buffer: $0, limits: limits) }
            ?? Array(bytes).withUnsafeBufferPointer { read(buffer: $0, limits: limits) }
        return try result.get()
    }

    public static func read(_ text: String, limits: Limits = Limits()) throws(Failure) -> JSONValue {
        try read(Array(text.utf8), limits: limits)
    }

    private static func read(buffer: UnsafeBufferPointer<UInt8>, limits: Limits) -> Result<JSONValue, Failure> {
        var reader = JSONReader(bytes: buffer, limits: limits)
        do throws(Failure) {
            let value = try reader.value(depth: 0)
            reader.skipSpace()
            guard reader.index == buffer.count else { throw reader.failure("Unexpected text after the document") }
            return .success(value)
        } catch {
            return .failure(error)
        }
    }

    private mutating func value(depth: Int) throws(Failure) -> JSONValue {
        nodes += 1
        guard nodes <= limits.maxNodes else { throw failure("More than \(limits.maxNodes) values") }
        guard depth <= limits.maxDepth else { throw failure("Nested deeper than \(limits.maxDepth)") }
        skipSpace()
        guard let first = peek else { throw failure("The document ends early") }
        switch first {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        default: throw failure("Expected a value")
        }
    }

    private mutating func object(depth: Int) throws(Failure) -> JSONValue {
        index += 1
        var members: [(String, JSONValue)] = []
        skipSpace()
        if peek == UInt8(ascii: "}") {
            index += 1
            return .object(JSONObject())
        }
        while true {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw failure("Expected a member's name in quotes") }
            let name = try string()
            skipSpace()
            try expect(UInt8(ascii: ":"), "Expected ':' after the name \"\(name)\"")
            members.append((name, try value(depth: depth + 1)))
            skipSpace()
            if peek == UInt8(ascii: ",") {
                index += 1
                continue
            }
            try expect(UInt8(ascii: "}"), "Expected ',' or '}'")
            let object = JSONObject(uniquing: members)
            if !limits.allowsRepeatedNames, object.members.count < members.count {
                var seen: Set<String> = []
                let name = members.first { !seen.insert($0.0).inserted }?.0 ?? ""
                throw Failure(message: "The name \"\(name)\" is repeated", offset: index, repeatedName: name)
            }
            return .object(object)
        }
    }

    private mutating func array(depth: Int) throws(Failure) -> JSONValue {
        index += 1
        var values: [JSONValue] = []
        skipSpace()
        if peek == UInt8(ascii: "]") {
            index += 1
            return .array([])
        }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            if peek == UInt8(ascii: ",") {
                index += 1
                continue
            }
            try expect(UInt8(ascii: "]"), "Expected ',' or ']'")
            return .array(values)
        }
    }

    private mutating func string() throws(Failure) -> String {
        index += 1
        let start = index
        while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { index += 1 }
        if peek == UInt8(ascii: "\"") {
            defer { index += 1 }
            return try text(bytes[start..<index])
        }
        var units = Array(bytes[start..<index])
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""):
                index += 1
                return try text(units[...])
            case UInt8(ascii: "\\"):
                index += 1
                try escape(into: &units)
            case 0..<0x20:
                throw failure("A control character inside a string must be escaped")
            default:
                units.append(byte)
                index += 1
            }
        }
        throw failure("The document ends inside a string")
    }

    private mutating func escape(into units: inout [UInt8]) throws(Failure) {
        guard let byte = peek else { throw failure("The document ends inside a string") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): units.append(byte)
        case UInt8(ascii: "b"): units.append(0x08)
        case UInt8(ascii: "f"): units.append(0x0C)
        case UInt8(ascii: "n"): units.append(0x0A)
        case UInt8(ascii: "r"): units.append(0x0D)
        case UInt8(ascii: "t"): units.append(0x09)
        case UInt8(ascii: "u"):
            var scalar = UInt32(try hexUnit())
            let isHighSurrogate = (0xD800..<0xDC00).contains(scalar)
            if isHighSurrogate, peek == UInt8(ascii: "\\"), index + 1 < bytes.count,
                bytes[index + 1] == UInt8(ascii: "u")
            {
                let before = index
                index += 2
                let low = UInt32(try hexUnit())
                if (0xDC00..<0xE000).contains(low) {
                    scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
                } else {
                    index = before
                }
            }
            units.append(contentsOf: String(Character(Unicode.Scalar(scalar) ?? "\u{FFFD}")).utf8)
        default: throw failure("Unknown escape")
        }
    }

    private mutating func hexUnit() throws(Failure) -> UInt16 {
        guard index + 4 <= bytes.count else { throw failure("The document ends inside a string") }
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[index])).hexDigitValue, bytes[index] < 0x80 else {
                throw failure("Expected four hexadecimal digits")
            }
            unit = unit << 4 | UInt16(digit)
            index += 1
        }
        return unit
    }

    private mutating func number() throws(Failure) -> String {
        let start = index
        if peek == UInt8(ascii: "-") { index += 1 }
        if peek == UInt8(ascii: "0") {
            index += 1
        } else {
            try digits()
        }
        if peek == UInt8(ascii: ".") {
            index += 1
            try digits()
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            index += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { index += 1 }
            try digits()
        }
        return String(decoding: bytes[start..<index], as: UTF8.self)
    }

    private mutating func digits() throws(Failure) {
        let start = index
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
        guard index > start else { throw failure("Expected a digit") }
    }

    private mutating func literal(_ word: String, _ value: JSONValue) throws(Failure) -> JSONValue {
        guard bytes[index...].starts(with: word.utf8) else { throw failure("Expected a value") }
        index += word.utf8.count
        return value
    }

    private func text(_ units: some Collection<UInt8>) throws(Failure) -> String {
        guard let text = String(validating: units, as: UTF8.self) else { throw failure("The text is not UTF-8") }
        return text
    }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    private mutating func expect(_ byte: UInt8, _ message: String) throws(Failure) {
        guard peek == byte else { throw failure(message) }
        index += 1
    }

    private func failure(_ message: String) -> Failure {
        Failure(message: message, offset: index)
    }
}

extension JSONObject {
    /// Reads members in linear time even where a hostile document repeats thousands of names.
    fileprivate init(uniquing members: [(String, JSONValue)]) {
        var last: [String: Int] = [:]
        var unique: [(String, JSONValue)] = []
        for (name, value) in members {
            if let index = last[name] {
                unique[index].1 = value
            } else {
                last[name] = unique.count
                unique.append((name, value))
            }
        }
        self.init(trusting: unique)
    }
}
