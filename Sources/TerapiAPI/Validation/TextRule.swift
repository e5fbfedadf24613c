import TerapiCore

/// What a text may be: its length and its characters.
struct TextRule: Sendable {
    typealias Problem = (code: String, message: String)

    var length: ClosedRange<Int>
    /// What the characters are, in the words of a message; `nil` when all are allowed.
    var alphabet: String?
    var isAllowed: @Sendable (UInt8) -> Bool

    init(
        _ length: ClosedRange<Int>,
        alphabet: String? = nil,
        isAllowed: @escaping @Sendable (UInt8) -> Bool = { _ in true }
    ) {
        self.length = length
        self.alphabet = alphabet
        self.isAllowed = isAllowed
    }

    /// - Parameter marks: the characters allowed beside letters and digits.
    static func lettersDigits(and marks: String, _ length: ClosedRange<Int> = 1...255) -> TextRule {
        let allowed = Set(marks.utf8)
        return TextRule(
            length,
            alphabet: "letters, digits and \(marks.map { $0 == " " ? "space" : String($0) }.joined(separator: " "))"
        ) {
            isLetterOrDigit($0) || allowed.contains($0)
        }
    }

    static func text(_ length: ClosedRange<Int> = 1...255) -> TextRule { TextRule(length) }

    static let integrationKey = lettersDigits(and: "~:.@ _-")
    static let connectionID = lettersDigits(and: #",.;:=+~[]|@${}"'\/_ -"#)
    static let providerName = lettersDigits(and: "_-")
    static let syncName = lettersDigits(and: "_-")
    static let model = TextRule(
        1...255, alphabet: "letters, digits, _ and -, a letter first",
        isAllowed: {
            isLetterOrDigit($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
        })
    static let attemptID = TextRule(64...64, alphabet: "the digits 0-9 and a-f") {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
    }

    /// Whether the text ends with something else than it should, and what to say about it.
    func problem(with text: String) -> Problem? {
        let count = text.utf8.count
        if count < length.lowerBound {
            return count == 0 || length.lowerBound == 1
                ? ("too_small", "Expected a text that is not empty.")
                : ("too_small", "Expected at least \(length.lowerBound) characters.")
        }
        if count > length.upperBound { return ("too_big", "Expected at most \(length.upperBound) characters.") }
        guard let alphabet, !text.utf8.allSatisfy(isAllowed) else { return nil }
        return ("invalid_format", "Expected only \(alphabet).")
    }

    static func isLetter(_ byte: UInt8) -> Bool {
        isLetterOrDigit(byte) && !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
