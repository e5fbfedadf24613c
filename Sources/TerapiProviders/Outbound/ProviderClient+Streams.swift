import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
public import TerapiCore

extension ProviderClient {
    public func open(_ request: OutboundRequest, body: ByteFlow?) async throws -> any OutboundAnswer {
        var hop = try firstHop(of: request)
        if let body { hop.body = .flow(body) }
        var redirects = 0
        while true {
            let target: OutboundGuard.Target
            do {
                target = try await outboundGuard.target(hop.url)
            } catch {
                throw redirects == 0 ? error : Self.denied(error)
            }
            let (stream, head) = try await stream(to: hop, at: target, idleTimeout: request.timeout)
            do {
                guard let next = try nextHop(after: head, of: hop, rule: request.redirects) else {
                    return StreamedAnswer(stream, head, url: hop.url)
                }
                stream.abandon()
                hop = next
            } catch {
                stream.abandon()
                throw Self.denied(error)
            }
            redirects += 1
            try Self.check(redirects, at: hop.url)
        }
    }

    private static func denied(_ error: any Error) -> any Error {
        guard var denied = error as? TerapiError, denied.code == .outboundRefused else { return error }
        denied.code = .proxyRedirectToDeniedHost
        return denied
    }

    private func stream(
        to hop: Hop,
        at target: OutboundGuard.Target,
        idleTimeout: Duration
    ) async throws -> (AnswerStream, HTTPResponseHead) {
        try await overAddresses(of: target, hop) { address in
            let lease = try connections.lease(key(of: hop, at: address))
            let stream = AnswerStream(
                hasBody: hop.method != .HEAD,
                idleTimeout: TimeAmount(idleTimeout),
                onEnd: lease.end
            )
            let request: HTTPClient.Request
            do {
                request = try transportRequest(of: hop, answeredBy: stream)
            } catch {
                lease.end()
                throw error
            }
            stream.begun(lease.transport.execute(request: request, delegate: stream))
            return (stream, { (stream, try await stream.head()) })
        }
    }
}

/// A streamed answer as the other rooms see it.
final class StreamedAnswer: OutboundAnswer {
    let status: Int
    let headers: [(name: String, value: String)]
    private let stream: AnswerStream
    private let source: OutboundURL

    var url: String { source.text }

    init(_ stream: AnswerStream, _ head: HTTPResponseHead, url: OutboundURL) {
        self.stream = stream
        source = url
        status = Int(head.status.code)
        headers = OutboundHeaders.passable(head.headers)
    }

    deinit {
        // Nobody can read it any more.
        stream.abandon()
    }

    var wholeBody: [UInt8]? { stream.whole.map(Self.joined) }

    func beginning(_ count: Int) async throws -> [UInt8] {
        do {
            return Self.joined(try await stream.beginning(count))
        } catch {
            throw converted(error)
        }
    }

    func readBody(_ take: ByteFlow.Take) async throws {
        while let parts = try await next() {
            for part in parts { try await take(Array(part.readableBytesView)) }
        }
    }

    func abandon() {
        stream.abandon()
    }

    private func next() async throws -> [ByteBuffer]? {
        do {
            return try await stream.next()
        } catch {
            throw converted(error)
        }
    }

    private func converted(_ error: any Error) -> any Error {
        if Task.isCancelled { return CancellationError() }
        return ProviderClient.converted(error, host: source.hostText, hasSent: true)
    }

    private static func joined(_ parts: [ByteBuffer]) -> [UInt8] {
        guard parts.count != 1 else { return Array(parts[0].readableBytesView) }
        return parts.reduce(into: []) { $0.append(contentsOf: $1.readableBytesView) }
    }
}
