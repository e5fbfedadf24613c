import TerapiCore

/// A compressed answer that is decompressed while it passes.
final class InflatedAnswer: OutboundAnswer {
    private static let encodings: Set<String> = ["gzip", "x-gzip", "deflate"]

    let headers: [(name: String, value: String)]
    private let answer: any OutboundAnswer

    /// The answer itself when it is not compressed.
    static func of(_ answer: any OutboundAnswer) -> any OutboundAnswer {
        let encoding = answer.headers.last { $0.name == "content-encoding" }?.value.lowercased() ?? ""
        return encodings.contains(encoding) ? InflatedAnswer(answer) : answer
    }

    private init(_ answer: any OutboundAnswer) {
        self.answer = answer
        headers = answer.headers.filter { $0.name != "content-encoding" && $0.name != "content-length" }
    }

    var status: Int { answer.status }
    var url: String { answer.url }
    /// How large it becomes shows only when it is read.
    var wholeBody: [UInt8]? { nil }

    func beginning(_ count: Int) async throws -> [UInt8] {
        let compressed = try await answer.beginning(count)
        let stream = InflateStream()
        var bytes: [UInt8] = []
        // It may be cut off anywhere: what can be read is enough.
        try? stream.take(compressed)
        while bytes.count < count, let piece = try? stream.next() { bytes.append(contentsOf: piece) }
        return bytes
    }

    func readBody(_ take: ByteFlow.Take) async throws {
        let stream = InflateStream()
        do {
            try await answer.readBody { compressed in
                try stream.take(compressed)
                while let piece = try stream.next() { try await take(piece) }
            }
            try stream.finish()
        } catch let failure as Inflate.Failure {
            answer.abandon()
            throw TerapiError(
                .providerError,
                "The provider answered with compressed data that is damaged or incomplete.",
                cause: OutboundFailure(.unknown, "\(failure)")
            )
        }
    }

    func abandon() {
        answer.abandon()
    }
}
