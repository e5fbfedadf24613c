/// Bytes that pass through without being kept: who takes them sets the pace.
public struct ByteFlow: Sendable {
    public typealias Take = ([UInt8]) async throws -> Void

    /// How many bytes come, where that is known before they do.
    public let length: Int?
    private let deliver: @Sendable (_ take: Take) async throws -> Void

    /// - Parameter deliver: hands over piece after piece, and waits until each is taken.
    public init(length: Int?, deliver: @escaping @Sendable (_ take: Take) async throws -> Void) {
        self.length = length
        self.deliver = deliver
    }

    /// Takes everything, piece by piece. It comes once.
    public func read(_ take: Take) async throws {
        try await deliver(take)
    }

    /// All of it.
    /// - Throws: `TerapiError(.payloadTooLarge)` when it is more than `limit` bytes.
    public func collected(limit: Int) async throws -> [UInt8] {
        let tooLarge = TerapiError(.payloadTooLarge, "The body is larger than \(limit) bytes.")
        if let length, length > limit { throw tooLarge }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(length ?? 0)
        try await read { piece in
            guard bytes.count + piece.count <= limit else { throw tooLarge }
            bytes.append(contentsOf: piece)
        }
        return bytes
    }
}
