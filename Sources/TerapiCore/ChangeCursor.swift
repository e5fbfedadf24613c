/// A customer's place in the changes of one model of one connection.
///
/// As text it is opaque and authenticated: `base64url(version ‖ epoch ‖ position ‖ MAC)` with a key of its own for each
/// stream, so that a cursor of another connection, a forged one or a damaged one is recognised instead of skipping
/// records.
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
///
/// Every record of a page carries a cursor, so the MAC has to be cheap. It is SipHash, whose key is derived for the
/// stream by HMAC.
public struct ChangeCursorCoder: Sendable {
    private static let version: UInt8 = 1
    private static let bodyBytes = 1 + 4 + 8
    private static let macBytes = 8

    private let mac: SipHash

    /// - Parameters:
    ///   - mac: made once from the installation's cursor key.
    ///   - connectionID: the connection's row.
    ///   - model: with its variant, as records are stored.
    public init(mac: KeyedHash, connectionID: Int64, model: String) {
        self.mac = SipHash(key: mac.hash(Array("stream\u{0}\(connectionID)\u{0}\(model)".utf8)))
    }

    public func encode(_ cursor: ChangeCursor) -> String {
        Base64.url.encode(bytes(cursor))
    }

    /// - Throws: `TerapiError(.invalidCursor)`.
    public func decode(_ text: String) throws -> ChangeCursor {
        guard let bytes = Base64.url.decode(text), bytes.count == Self.bodyBytes + Self.macBytes,
            bytes[0] == Self.version
        else { throw Self.invalid }
        let epoch = bytes[1..<5].reduce(0 as Int64) { $0 << 8 | Int64($1) }
        let position = bytes[5..<13].reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        guard let position = Int64(exactly: position) else { throw Self.invalid }
        let cursor = ChangeCursor(epoch: epoch, position: position)
        guard constantTimeEqual(self.bytes(cursor), bytes) else { throw Self.invalid }
        return cursor
    }

    private func bytes(_ cursor: ChangeCursor) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.bodyBytes + Self.macBytes)
        bytes.append(Self.version)
        withUnsafeBytes(of: UInt32(truncatingIfNeeded: cursor.epoch).bigEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: cursor.position.bigEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: mac.hash(bytes).bigEndian) { bytes.append(contentsOf: $0) }
        return bytes
    }

    private static var invalid: TerapiError {
        TerapiError(
            .invalidCursor,
            "The cursor is not one that this server gave out for this connection and model. Use _terapi_metadata.cursor "
                + "of a record, or leave it out to read from the start."
        )
    }
}
