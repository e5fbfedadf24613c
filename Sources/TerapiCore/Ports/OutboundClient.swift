/// The only door through which the server reaches other machines.
public protocol OutboundClient: Sendable {
    /// Sends one request and reads its whole answer within the request's limits.
    ///
    /// A status of 400 or more is an answer and not an error. Cancelling the task gives the request up.
    /// - Throws: `TerapiError` with `.outboundRefused` (the address is not allowed; nothing was sent),
    ///   `.invalidHeaders` (method, URL or header cannot be sent), `.providerUnreachable` (no answer) or
    ///   `.providerError` (an answer beyond the limits). ``OutboundFailure/outcome(of:)`` tells whether the peer can
    ///   have acted on the request.
    func send(_ request: OutboundRequest) async throws -> OutboundResponse

    /// Sends one request and returns with the head of its answer, whose body comes as fast as it is taken.
    ///
    /// The request's `timeout` is here the longest time without a byte in either direction, and its `maxAnswerBytes`
    /// means nothing.
    /// - Parameter body: passes through instead of the request's own. A redirect that wants it again is the answer.
    /// - Throws: what ``send(_:)`` throws, and `.proxyRedirectToDeniedHost` when a redirect is not allowed.
    func open(_ request: OutboundRequest, body: ByteFlow?) async throws -> any OutboundAnswer
}

/// A request to another machine, complete: nothing is added to it but what the transport needs.
public struct OutboundRequest: Sendable {
    /// Why the request is made; shows in logs.
    public enum Purpose: String, Sendable {
        case proxy, script, token, verification, webhook
    }

    /// What to do with an answer that points elsewhere. Every hop passes the outbound guard, at most five are made,
    /// and none goes from https to http.
    public enum Redirects: Sendable {
        /// The redirect is the answer.
        case never
        /// A hop to another origin carries neither credentials nor a body.
        case follow
        /// Another origin gets the headers too: only for a provider whose file says so.
        case followWithHeaders
    }

    public var method: String
    public var url: String
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]?
    /// The longest time from the call to the last byte of the answer, redirects included.
    public var timeout: Duration
    public var purpose: Purpose
    public var redirects: Redirects
    /// The largest answer, before and after decompression.
    public var maxAnswerBytes: Int
    /// Whether compressed answers are welcome although the headers do not say so.
    public var asksForCompression = true

    public init(
        method: String,
        url: String,
        headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil,
        timeout: Duration = .seconds(60),
        purpose: Purpose,
        redirects: Redirects = .follow,
        maxAnswerBytes: Int = 50_000_000
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.purpose = purpose
        self.redirects = redirects
        self.maxAnswerBytes = maxAnswerBytes
    }
}

/// Another machine's answer, decompressed.
public struct OutboundResponse: Sendable {
    public var status: Int
    /// Names in lower case, in their order; hop-by-hop headers are left out.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    /// Where the answer came from after redirects.
    public var url: String

    public init(status: Int, headers: [(name: String, value: String)], body: [UInt8], url: String) {
        self.status = status
        self.headers = headers
        self.body = body
        self.url = url
    }

    /// The first value of the header with this name, which is given in lower case.
    public func header(_ name: String) -> String? {
        headers.first { $0.name == name }?.value
    }
}

/// Another machine's answer, whose body may still be on its way. It is not decompressed.
public protocol OutboundAnswer: Sendable {
    var status: Int { get }
    /// Names in lower case, in their order, without those that belong to one connection; `content-length` is there.
    var headers: [(name: String, value: String)] { get }
    /// Where the answer came from after redirects.
    var url: String { get }
    /// The body when all of it is here already.
    var wholeBody: [UInt8]? { get }

    /// At least this many bytes of the body's beginning, if it has so many. They stay a part of it.
    func beginning(_ count: Int) async throws -> [UInt8]

    /// Hands over the body piece by piece. It comes once.
    /// - Throws: `TerapiError` with `.providerUnreachable` or `.providerError` when it ends too early, or what `take`
    ///   throws.
    func readBody(_ take: ByteFlow.Take) async throws

    /// Gives up what has not come yet. Without effect on an answer that is complete.
    func abandon()
}

/// Why there is no answer; the cause of a `TerapiError`.
public struct OutboundFailure: Error, Sendable, CustomStringConvertible {
    public enum Outcome: Sendable {
        /// No byte of the request left: it is safe to send it again.
        case notSent
        /// The peer may have acted on the request.
        case unknown
    }

    public var outcome: Outcome
    public var reason: String

    public init(_ outcome: Outcome, _ reason: String) {
        self.outcome = outcome
        self.reason = reason
    }

    public var description: String { reason }

    /// Whether the peer can have acted on a request that ended with this error.
    public static func outcome(of error: any Error) -> Outcome {
        guard let error = error as? TerapiError else { return .unknown }
        if let failure = error.cause as? OutboundFailure { return failure.outcome }
        return error.code == .outboundRefused || error.code == .invalidHeaders ? .notSent : .unknown
    }
}
