import AsyncHTTPClient
import NIOCore
import NIOHTTP1
public import TerapiCore

/// The one client for everything that leaves the server: provider calls, token requests, scripts and webhooks.
///
/// Every URL and every redirect passes the ``OutboundGuard``; method and headers are checked before the transport sees
/// them; answers are bounded in size, density and time.
public final class ProviderClient: OutboundClient {
    private static let maxRedirects = 5
    /// How many of a host's addresses are tried when connecting fails.
    private static let maxAddresses = 3

    private let outboundGuard: OutboundGuard
    private let connections: ConnectionCache

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
        var hop = Hop(
            method: HTTPMethod(rawValue: request.method),
            url: try outboundGuard.read(request.url),
            headers: try OutboundHeaders.checked(request),
            body: request.body.map { ByteBuffer(bytes: $0) }
        )
        var redirects = 0
        while true {
            let target = try await outboundGuard.target(hop.url)
            let answer = try await answer(to: hop, at: target, limit: request.maxAnswerBytes, deadline: deadline)
            guard let next = try nextHop(after: answer.head, of: hop, rule: request.redirects) else {
                return try response(answer, of: hop, limit: request.maxAnswerBytes)
            }
            redirects += 1
            guard redirects <= Self.maxRedirects else {
                throw TerapiError(
                    .providerError,
                    "\(hop.url.hostText) redirected more than \(Self.maxRedirects) times."
                )
            }
            hop = next
        }
    }

    /// One request and its answer: a call, or what a redirect makes of it.
    private struct Hop {
        var method: HTTPMethod
        var url: OutboundURL
        var headers: HTTPHeaders
        var body: ByteBuffer?
    }

    // MARK: One hop

    private func answer(
        to hop: Hop,
        at target: OutboundGuard.Target,
        limit: Int,
        deadline: NIODeadline
    ) async throws -> AnswerCollector.Answer {
        let isIdempotent = hop.method == .GET || hop.method == .HEAD || hop.method == .OPTIONS
        var staleConnectionsLeft = 2
        var addresses = target.addresses.prefix(Self.maxAddresses)
        var failure: (any Error)?
        while let address = addresses.first {
            let collector = AnswerCollector(limit: limit, hasBody: hop.method != .HEAD)
            do {
                return try await run(hop, at: address, with: collector, deadline: deadline)
            } catch {
                try Task.checkCancellation()
                failure = converted(error, host: target.url.hostText, collector: collector, limit: limit)
                if deadline <= .now() { break }
                if staleConnectionsLeft > 0, !collector.hasSent || (isIdempotent && !collector.hasHead),
                    Self.isStaleConnection(error)
                {
                    // The server closed a kept connection just as we took it up: an ordinary race.
                    staleConnectionsLeft -= 1
                } else if !collector.hasSent {
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
        let host = if case .name(let name) = hop.url.host { name } else { address.description }
        let key = ConnectionCache.Key(isHTTPS: hop.url.isHTTPS, host: host, port: hop.url.port, address: address)
        let request = try HTTPClient.Request(
            url: hop.url.text,
            method: hop.method,
            headers: headers(of: hop),
            body: hop.body.map { .byteBuffer($0) }
        )
        return try await connections.withTransport(of: key) { transport in
            let task = transport.execute(request: request, delegate: collector, deadline: deadline)
            return try await withTaskCancellationHandler {
                try await task.futureResult.get()
            } onCancel: {
                task.cancel()
            }
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
    private func nextHop(
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
                throw beyondLimits(error, host: hop.url.hostText, limit: limit)
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

    private func beyondLimits(_ failure: Inflate.Failure, host: String, limit: Int) -> TerapiError {
        let message =
            switch failure {
            case .tooLarge: "\(host) answered with more than \(limit) bytes."
            case .tooDense:
                "\(host) answered with data that grows more than \(Inflate.maxRatio) times when decompressed."
            case .damaged: "\(host) answered with compressed data that is damaged or incomplete."
            }
        return TerapiError(.providerError, message, cause: OutboundFailure(.unknown, message))
    }

    private func converted(_ error: any Error, host: String, collector: AnswerCollector, limit: Int) -> any Error {
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
            default: collector.hasSent ? "the connection broke" : "it could not be connected to"
            }
        // At the deadline the word that the request was written may still be on its way to us.
        let isKnown = error as? HTTPClientError != .deadlineExceeded && !(error is CancellationError)
        let failure = OutboundFailure(collector.hasSent || !isKnown ? .unknown : .notSent, "\(error)")
        return TerapiError(.providerUnreachable, "\(host) could not be reached: \(reason).", cause: failure)
    }
}
