import Crypto

/// A value that must never be printed, logged or encoded: tokens, keys, passwords.
///
/// `description`, `debugDescription`, `dump` and string interpolation all show `***`. Whoever needs the value writes
/// `reveal()`, which is easy to find when reading the code.
public struct Secret: Sendable, Hashable {
    private let value: String

    public init(_ value: String) {
        self.value = value
    }

    public func reveal() -> String {
        value
    }

    /// Compares in a time that depends on the lengths only.
    public static func == (left: Secret, right: Secret) -> Bool {
        constantTimeEqual(Array(left.value.utf8), Array(right.value.utf8))
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Whether both are the same bytes; takes the same time wherever they first differ.
public func constantTimeEqual(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
    guard left.count == right.count else { return false }
    return zip(left, right).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) } == 0
}
