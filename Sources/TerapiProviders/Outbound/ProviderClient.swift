import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
public import TerapiCore

/// The one client for everything that leaves the server: provider calls, token requests, scripts and webhooks.
///
/// Every URL and every redirect passes the ``OutboundGuard``; method and headers are checked before the transport sees
/// them; answers are bounded in size, density and time.
public final class ProviderClient: OutboundClient {
    private static let maxRedirects = 5
    /// How many of a host's addresses are tried when connecting fails.
    private static let maxAddresses = 3

    let outboundGuard: OutboundGuard
    let connections: ConnectionCache

    /// - Parameters:
    ///   - capacity: how many places (scheme, host, port, address) keep connections open at the same time.
    ///   - connectTimeout: how long connecting to one address may take.
    public init(guardedBy outboundGuard: OutboundGuard, capacity: Int = 256, connectTimeout: Duration = .seconds(10)) {
        self.outboundGuard = outboundGuard
        connections = ConnectionCache(capacity: capacity, connectTimeout: connectTimeout)
    }

    /// Closes all connections. The client cannot be used afterwards.
    public func close() async {
        await connections.close()
    }

    public func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        let deadline = NIODeadline.now() + .nanoseconds(request.timeout.microseconds * 1000)
        var hop = try firstHop(of: request)
        var redirects = 0
        while true {
            let target = try await outboundGuard.target(hop.url)
            let answer = try await answer(to: hop, at: target, limit: request.maxAnswerBytes, deadline: deadline)
            guard let next = try nextHop(after: answer.head, of: hop, rule: request.redirects) else {
                return try response(answer, of: hop, limit: request.maxAnswerBytes)
            }
            redirects += 1
            try Self.check(redirects, at: hop.url)
            hop = next
        }
    }

    static func check(_ redirects: Int, at url: OutboundURL) throws {
        guard redirects <= maxRedirects else {
            throw TerapiError(.providerError, "\(url.hostText) redirected more than \(maxRedirects) times.")
        }
    }

    /// One request and its answer: a call, or what a redirect makes of it.
    struct Hop {
        enum Body {
            case bytes(ByteBuffer)
            /// Comes once.
            case flow(ByteFlow)
        }

        var method: HTTPMethod
        var url: OutboundURL
        var headers: HTTPHeaders
        var body: Body?

        /// Whether the same request may be sent again when nobody knows what became of it.
        var isRepeatable: Bool {
            if case .flow = body { return false }
            return method == .GET || method == .HEAD || method == .OPTIONS
        }
    }

    func firstHop(of request: OutboundRequest) throws -> Hop {
        Hop(
            method: HTTPMethod(rawValue: request.method),
            url: try outboundGuard.read(request.url),
            headers: try OutboundHeaders.checked(request),
            body: request.body.map { .bytes(ByteBuffer(bytes: $0)) }
        )
    }

    // MARK: One hop

    private func answer(
        to hop: Hop,
        at target: OutboundGuard.Target,
        limit: Int,
        deadline: NIODeadline
    ) async throws -> AnswerCollector.Answer {
        try await overAddresses(of: target, hop, limit: limit, deadline: deadline) { address in
            let collector = AnswerCollector(limit: limit, hasBody: hop.method != .HEAD)
            return (collector, { try await self.run(hop, at: address, with: collector, deadline: deadline) })
        }
    }

    /// Tries a host's addresses, as long as nothing of the request has been sent.
    /// - Parameter attempt: what shows the attempt's fate, and the attempt.
    func overAddresses<Result>(
        of target: OutboundGuard.Target,
        _ hop: Hop,
        limit: Int = .max,
        deadline: NIODeadline = .distantFuture,
        attempt: (IPAddress) throws -> (delegate: any AnswerDelegate, run: () async throws -> Result)
    ) async throws -> Result {
        var staleConnectionsLeft = 2
        var addresses = target.addresses.prefix(Self.maxAddresses)
        var failure: (any Error)?
        while let address = addresses.first {
            let (delegate, run) = try attempt(address)
            do {
                return try await run()
            } catch {
                try Task.checkCancellation()
                let hasSent = delegate.hasSent
                failure = Self.converted(error, host: target.url.hostText, hasSent: hasSent, limit: limit)
                if deadline <= .now() { break }
                if staleConnectionsLeft > 0, !hasSent || (hop.isRepeatable && !delegate.hasHead),
                    Self.isStaleConnection(error)
                {
                    // The server closed a kept connection just as we took it up: an ordinary race.
                    staleConnectionsLeft -= 1
                } else if !hasSent {
                    addresses = addresses.dropFirst()
                } else {
                    break
                }
            }
        }
        throw failure ?? TerapiError(.providerUnreachable, "\(target.url.hostText) has no address.")
    }

    private func run(
        _ hop: Hop,
        at address: IPAddress,
        with collector: AnswerCollector,
        deadline: NIODeadline
    ) async throws -> AnswerCollector.Answer {
        let request = try transportRequest(of: hop)
        return try await connections.withTransport(of: key(of: hop, at: address)) { transport in
            let task = transport.execute(request: request, delegate: collector, deadline: deadline)
            return try await withTaskCancellationHandler {
                try await task.futureResult.get()
            } onCancel: {
                task.cancel()
            }
        }
    }

    func key(of hop: Hop, at address: IPAddress) -> ConnectionCache.Key {
        let host = if case .name(let name) = hop.url.host { name } else { address.description }
        return ConnectionCache.Key(isHTTPS: hop.url.isHTTPS, host: host, port: hop.url.port, address: address)
    }

    /// - Parameter stream: takes the answer to a body that flows.
    func transportRequest(of hop: Hop, answeredBy stream: AnswerStream? = nil) throws -> HTTPClient.Request {
        let body: HTTPClient.Body? =
            switch hop.body {
            case .bytes(let buffer): .byteBuffer(buffer)
            case .flow(let flow): stream.map { Self.upload(flow, answeredBy: $0) }
            case nil: nil
            }
        return try HTTPClient.Request(url: hop.url.text, method: hop.method, headers: headers(of: hop), body: body)
    }

    private struct Refused: Error {}

    /// Sends piece after piece, each when the socket has taken the one before, until the answer wants no more.
    private static func upload(_ flow: ByteFlow, answeredBy stream: AnswerStream) -> HTTPClient.Body {
        .stream(contentLength: flow.length.map(Int64.init)) { writer in
            let sent = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Void.self)
            // Beside the answer, which may come at the same time.
            Task {
                do {
                    var left = flow.length
                    try await flow.read { piece in
                        let write = writer.write(.byteBuffer(ByteBuffer(bytes: piece)))
                        left? -= piece.count
                        let isWanted = try await stream.written(write)
                        guard isWanted || left == 0 else { throw Refused() }
                    }
                    sent.succeed()
                } catch is Refused {
                    stream.stopped(sent)
                } catch {
                    sent.fail(error)
                }
            }
            return sent.futureResult
        }
    }

    /// The host as the URL was written: without a port that the scheme implies.
    private func headers(of hop: Hop) -> HTTPHeaders {
        var headers = hop.headers
        let isDefaultPort = hop.url.port == (hop.url.isHTTPS ? 443 : 80)
        headers.add(name: "host", value: isDefaultPort ? hop.url.hostText : "\(hop.url.hostText):\(hop.url.port)")
        return headers
    }

    private static func isStaleConnection(_ error: any Error) -> Bool {
        if let error = error as? HTTPClientError { return error == .remoteConnectionClosed }
        if let error = error as? IOError {
            return error.errnoCode == 104 || error.errnoCode == 54 || error.errnoCode == 32
        }
        return error is ChannelError
    }

    // MARK: Redirects

    /// The request that a redirect asks for, or `nil` when this answer is the result.
    func nextHop(
        after head: HTTPResponseHead,
        of hop: Hop,
        rule: OutboundRequest.Redirects
    ) throws -> Hop? {
        guard rule != .never, [301, 302, 303, 307, 308].contains(head.status.code),
            let location = head.headers.first(name: "location")
        else { return nil }
        var next = hop
        do {
            next.url = try hop.url.redirected(to: location)
        } catch {
            throw TerapiError(
                .outboundRefused,
                "\(hop.url.hostText) redirected to a place that cannot be called: \(error.reason)."
            )
        }
        guard !hop.url.isHTTPS || next.url.isHTTPS else {
            throw TerapiError(.outboundRefused, "\(hop.url.hostText) redirected from https to http.")
        }
        let isSeeOther = head.status.code == 303 && hop.method != .HEAD
        if isSeeOther || head.status.code <= 302 && hop.method == .POST {
            next.method = .GET
            next.body = nil
            next.headers = OutboundHeaders.withoutBodyHeaders(next.headers)
        }
        // What has passed through is gone.
        if case .flow = next.body { return nil }
        if next.url.origin != hop.url.origin, rule != .followWithHeaders {
            // A body may hold credentials too: another origin never gets it, the redirect is the answer.
            guard next.body == nil else { return nil }
            next.headers = OutboundHeaders.withoutCredentials(next.headers)
        }
        return next
    }

    // MARK: Answers

    private func response(_ answer: AnswerCollector.Answer, of hop: Hop, limit: Int) throws -> OutboundResponse {
        let encoding = answer.head.headers.first(name: "content-encoding")?.lowercased()
        let isCompressed = encoding == "gzip" || encoding == "x-gzip" || encoding == "deflate"
        var body = answer.body
        if isCompressed {
            do {
                body = try Inflate.inflate(answer.body, limit: limit)
            } catch {
                throw Self.beyondLimits(error, host: hop.url.hostText, limit: limit)
            }
        }
        var headers: [(name: String, value: String)] = []
        headers.reserveCapacity(answer.head.headers.count)
        for (name, value) in answer.head.headers {
            let name = name.lowercased()
            if OutboundHeaders.hopByHop.contains(name) || (isCompressed && name == "content-encoding") { continue }
            headers.append((name, value))
        }
        return OutboundResponse(
            status: Int(answer.head.status.code),
            headers: headers,
            body: body,
            url: hop.url.text
        )
    }

    private static func beyondLimits(_ failure: Inflate.Failure, host: String, limit: Int) -> TerapiError {
        let message =
            switch failure {
            case .tooLarge: "\(host) answered with more than \(limit) bytes."
            case .tooDense:
                "\(host) answered with data that grows more than \(Inflate.maxRatio) times when decompressed."
            case .damaged: "\(host) answered with compressed data that is damaged or incomplete."
            }
        return TerapiError(.providerError, message, cause: OutboundFailure(.unknown, message))
    }

    /// - Parameters:
    ///   - hasSent: whether any part of the request has been handed to the socket.
    ///   - limit: of the answer's size.
    static func converted(_ error: any Error, host: String, hasSent: Bool, limit: Int = .max) -> any Error {
        if let error = error as? TerapiError { return error }
        if case AnswerCollector.Failure.tooLarge = error { return beyondLimits(.tooLarge, host: host, limit: limit) }
        if let error = error as? HTTPParserError {
            let failure = OutboundFailure(.unknown, "\(error)")
            return TerapiError(.providerError, "\(host) did not answer with proper HTTP.", cause: failure)
        }
        let reason =
            switch error as? HTTPClientError {
            case .deadlineExceeded, .readTimeout, .getConnectionFromPoolTimeout: "it did not answer in time"
            case .connectTimeout, .tlsHandshakeTimeout: "it could not be connected to in time"
            case .remoteConnectionClosed: "it closed the connection before the answer was complete"
            default: hasSent ? "the connection broke" : "it could not be connected to"
            }
        // At the deadline the word that the request was written may still be on its way to us.
        let isKnown = error as? HTTPClientError != .deadlineExceeded && !(error is CancellationError)
        let failure = OutboundFailure(hasSent || !isKnown ? .unknown : .notSent, "\(error)")
        return TerapiError(.providerUnreachable, "\(host) could not be reached: \(reason).", cause: failure)
    }
}
