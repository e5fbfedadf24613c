package import TerapiCore

/// An answer that a test has made up: all of it at once, or piece by piece.
package struct GivenAnswer: OutboundAnswer {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var url: String
    package var wholeBody: [UInt8]?
    /// Comes when the body is read and not whole.
    package var pieces: @Sendable (ByteFlow.Take) async throws -> Void = { _ in }
    package var onAbandon: @Sendable () -> Void = {}

    package init(
        _ status: Int = 200,
        headers: [(name: String, value: String)] = [],
        url: String = "https://provider.example/",
        body: [UInt8]? = []
    ) {
        self.status = status
        self.headers = headers
        self.url = url
        wholeBody = body
    }

    package func beginning(_ count: Int) async throws -> [UInt8] { wholeBody ?? [] }

    package func readBody(_ take: ByteFlow.Take) async throws {
        if let wholeBody { return try await take(wholeBody) }
        try await pieces(take)
    }

    package func abandon() { onAbandon() }
}
