import TerapiCore

/// Leads from a place in a bundle to the place in the file that its author wrote.
///
/// Source map revision 3 (ECMA-426).
public struct SourceMap: Sendable {
    /// Lines and columns are counted from 1.
    public struct Place: Sendable, Equatable {
        /// As the map names it: relative to the map's own folder.
        public var source: String
        public var line: Int
        public var column: Int
    }

    private let sources: [String]
    private let mappings: [UInt8]

    /// - Returns: `nil` when this is no source map.
    public init?(_ json: [UInt8]) {
        guard let map = try? JSONReader.read(json), map["version"]?.int == 3,
            let mappings = map["mappings"]?.string, let sources = map["sources"]?.array
        else { return nil }
        let root = map["sourceRoot"]?.string ?? ""
        self.sources = sources.map { root + ($0.string ?? "") }
        self.mappings = Array(mappings.utf8)
    }

    /// The place that the character at this line and column came from.
    ///
    /// When no mapping begins at the character, the one before it on the line counts.
    public func place(line: Int, column: Int) -> Place? {
        var source = 0
        var sourceLine = 0
        var sourceColumn = 0
        var generatedLine = 1
        var generatedColumn = 0
        var found: Place?
        var index = 0
        while index < mappings.count, generatedLine <= line {
            switch mappings[index] {
            case UInt8(ascii: ";"):
                generatedLine += 1
                generatedColumn = 0
                index += 1
            case UInt8(ascii: ","):
                index += 1
            default:
                guard let fields = segment(at: &index) else { return found }
                generatedColumn += fields[0]
                guard fields.count >= 4 else { continue }
                source += fields[1]
                sourceLine += fields[2]
                sourceColumn += fields[3]
                guard generatedLine == line else { continue }
                guard generatedColumn < column || found == nil else { return found }
                guard sources.indices.contains(source) else { return nil }
                found = Place(source: sources[source], line: sourceLine + 1, column: sourceColumn + 1)
            }
        }
        return found
    }

    /// One group of numbers in base 64, five bits a digit, the least first, the sign in the lowest bit.
    private func segment(at index: inout Int) -> [Int]? {
        var fields: [Int] = []
        var value = 0
        var shift = 0
        while index < mappings.count, mappings[index] != UInt8(ascii: ","), mappings[index] != UInt8(ascii: ";") {
            guard let digit = Self.digits[Int(mappings[index] & 0x7F)], shift < 35 else { return nil }
            index += 1
            value |= (digit & 31) << shift
            shift += 5
            if digit & 32 == 0 {
                fields.append(value & 1 == 0 ? value >> 1 : -(value >> 1))
                value = 0
                shift = 0
            }
        }
        return fields.isEmpty || shift != 0 ? nil : fields
    }

    private static let digits: [Int?] = {
        var table = [Int?](repeating: nil, count: 128)
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (value, byte) in alphabet.utf8.enumerated() { table[Int(byte)] = value }
        return table
    }()
}
