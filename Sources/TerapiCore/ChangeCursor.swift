/// A customer's place in the changes of one model of one connection.
///
/// As text it is opaque and authenticated: `base64url(version ‖ epoch ‖ position ‖ stream hash ‖ MAC)`, so that a
/// cursor of another connection, a forged one or a damaged one is recognised instead of skipping records.
public struct ChangeCursor: Sendable, Hashable {
    /// The history that the position belongs to; a restore begins a new one.
    public var epoch: Int64
    public var position: Int64

    public init(epoch: Int64, position: Int64) {
        self.epoch = epoch
        self.position = position
    }
}

/// Writes and reads the cursors of one (connection, model): make one per page.
public struct ChangeCursorCoder: Sendable {
    private static let version: UInt8 = 1
    private static let streamHashBytes = 8
    private static let macBytes = 16
    private static let bodyBytes = 1 + 4 + 8 + streamHashBytes

    private let mac: KeyedHash
    private let streamHash: [UInt8]

    /// - Parameters:
    ///   - mac: made once from the installation's cursor key.
    ///   - connectionID: the connection's row.
    ///   - model: with its variant, as records are stored.
    public init(mac: KeyedHash, connectionID: Int64, model: String) {
        self.mac = mac
        streamHash = Array(mac.hash(Array("stream\u{0}\(connectionID)\u{0}\(model)".utf8)).prefix(Self.streamHashBytes))
    }

    public func encode(_ cursor: ChangeCursor) -> String {
        Base64.url.encode(bytes(cursor))
    }

    /// - Throws: `TerapiError(.invalidCursor)`.
    public func decode(_ text: String) throws -> ChangeCursor {
        guard let bytes = Base64.url.decode(text), bytes.count == Self.bodyBytes + Self.macBytes,
            bytes[0] == Self.version,
            constantTimeEqual(mac.hash(bytes.prefix(Self.bodyBytes)), bytes.suffix(Self.macBytes))
        else { throw Self.invalid }
        guard constantTimeEqual(bytes[13..<21], streamHash) else {
            throw TerapiError(.invalidCursor, "The cursor belongs to another connection or model.")
        }
        let epoch = bytes[1..<5].reduce(0 as Int64) { $0 << 8 | Int64($1) }
        let position = bytes[5..<13].reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        guard let position = Int64(exactly: position) else { throw Self.invalid }
        return ChangeCursor(epoch: epoch, position: position)
    }

    private func bytes(_ cursor: ChangeCursor) -> [UInt8] {
        var bytes: [UInt8] = [Self.version]
        bytes.reserveCapacity(Self.bodyBytes + Self.macBytes)
        for shift in stride(from: 24, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: cursor.epoch >> Int64(shift)))
        }
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: cursor.position >> Int64(shift)))
        }
        bytes.append(contentsOf: streamHash)
        bytes.append(contentsOf: mac.hash(bytes))
        return bytes
    }

    private static var invalid: TerapiError {
        TerapiError(
            .invalidCursor,
            "The cursor is not one that this server gave out. Use _terapi_metadata.cursor of a record, or leave it out "
                + "to read from the start."
        )
    }
}
