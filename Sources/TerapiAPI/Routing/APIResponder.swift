import HTTPTypes
public import Hummingbird
import Logging
import NIOCore
import Synchronization
import TerapiCore

/// What the server knows about a request besides the request.
public struct APIRequestContext: RequestContext {
    public var coreContext: CoreRequestContextStorage
    let channel: any Channel

    public init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}

/// Takes each request through the same steps: route, caller, scope, handler; and turns every error into an answer.
public struct APIResponder: HTTPResponder {
    public typealias Context = APIRequestContext

    let routes: RouteTable
    let authenticator: Authenticator
    let maxBodyBytes: Int
    let maxDeployBytes: Int
    let clock: any WallClock
    let logger: Logger
    private let requestIDs = RequestIDs()

    init(
        routes: RouteTable,
        authenticator: Authenticator,
        maxBodyBytes: Int,
        maxDeployBytes: Int,
        clock: any WallClock,
        logger: Logger
    ) {
        self.routes = routes
        self.authenticator = authenticator
        self.maxBodyBytes = maxBodyBytes
        self.maxDeployBytes = maxDeployBytes
        self.clock = clock
        self.logger = logger
    }

    public func respond(to request: Request, context: APIRequestContext) async throws -> Response {
        let requestID = requestIDs.next()
        var response: Response
        switch routes.match(request.method, request.uri.path) {
        case .none:
            let error = TerapiError(.notFound, "There is nothing at \(request.method.rawValue) \(request.uri.path).")
            response = answer(error, to: .program, request: request, requestID: requestID)
        case .otherMethods(let methods):
            let allowed = methods.map(\.rawValue).sorted().joined(separator: ", ")
            if request.method == .options {
                response = preflight(allowed: allowed)
            } else {
                let error = TerapiError(.methodNotAllowed, "This address takes \(allowed).")
                response = answer(error, to: .program, request: request, requestID: requestID)
                response.headers[.allow] = allowed
            }
        case .route(let route, _) where route.isRelay && isPreflight(request):
            response = preflight(allowed: "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS", headers: "Authorization, *")
        case .route(let route, let parameters):
            do {
                response = try await respond(
                    to: request, route: route, parameters: parameters, requestID: requestID, channel: context.channel
                )
                if route.isRelay {
                    allowEveryOrigin(&response, exposing: "*")
                    if response.headers[.requestID] == nil { response.headers[.requestID] = requestID }
                    return response
                }
            } catch {
                response = answer(error, to: route.reader, request: request, requestID: requestID)
            }
            if route.reader == .program { allowEveryOrigin(&response) }
        }
        response.headers[.requestID] = requestID
        if response.status == .contentTooLarge { closeSoon(context.channel, &response) }
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func respond(
        to request: Request,
        route: Route,
        parameters: [String: String],
        requestID: String,
        channel: any Channel
    ) async throws -> Response {
        let caller = try await caller(of: request, route.access)
        if !route.takesQuery, let query = request.uri.query, !query.isEmpty {
            let reader = try QueryReader(query)
            try reader.finish()
        }
        let call = Call(
            request: request,
            caller: caller,
            parameters: parameters,
            requestID: requestID,
            now: clock.now,
            maxBodyBytes: route.size == .deployment ? maxDeployBytes : maxBodyBytes,
            channel: channel
        )
        return try await route.handler(call)
    }

    private func caller(of request: Request, _ access: Route.Access) async throws -> Caller {
        switch access {
        case .anyone:
            return .anyone
        case .key(let scope):
            let token = try authenticator.bearerToken(request.headers[.authorization])
            return try await .key(key(token, [scope]))
        case .keyWithAny(let scopes):
            let token = try authenticator.bearerToken(request.headers[.authorization])
            return try await .key(key(token, scopes))
        case .keyOrSession(let scope):
            let token = try authenticator.bearerToken(request.headers[.authorization])
            if Authenticator.isSessionToken(token) { return try await .session(authenticator.session(token)) }
            return try await .key(key(token, [scope]))
        case .session:
            let query = try QueryReader(request.uri.query ?? "")
            let token =
                if request.headers[.authorization] == nil, let token = query.first("connect_session_token") {
                    token
                } else {
                    try authenticator.bearerToken(request.headers[.authorization])
                }
            return try await .session(authenticator.session(token))
        }
    }

    private func key(_ token: String, _ scopes: [APIScope]) async throws -> APIKey {
        let key = try await authenticator.key(token)
        guard scopes.contains(where: key.allows) else { throw TerapiError.lacking(scopes) }
        return key
    }

    // MARK: - Errors

    private func answer(
        _ error: any Error,
        to reader: Route.Reader,
        request: Request,
        requestID: String
    ) -> Response {
        let (status, shown) = shown(error)
        if status.code >= 500 {
            // The path only: a query may hold a token.
            logger.error(
                "A request failed",
                metadata: [
                    "request_id": "\(requestID)",
                    "method": "\(request.method.rawValue)",
                    "path": "\(PathForLog.text(request.uri.path))",
                    "error": "\(error)",
                ]
            )
        }
        switch reader {
        case .program:
            var response = Response.json(shown.json, status: status)
            response.headers[.retryAfter] = shown.retryAfterSeconds.map(String.init)
            if status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
            allowEveryOrigin(&response)
            return response
        case .person:
            return ResultPage.problem(shown, status: status, requestID: requestID)
        }
    }

    private func shown(_ error: any Error) -> (HTTPResponse.Status, TerapiError) {
        switch error {
        case let error as StatusError: (error.status, error.error)
        case let error as TerapiError: (error.status, error)
        default:
            (
                .internalServerError,
                TerapiError(.serverError, "Something went wrong on our side. The log has the details.", cause: error)
            )
        }
    }

    /// Lets the client read the answer, and then does not wait for the rest of what it wanted to send.
    private func closeSoon(_ channel: any Channel, _ response: inout Response) {
        response.headers[.connection] = "close"
        channel.eventLoop.scheduleTask(in: .seconds(2)) { channel.close(promise: nil) }
    }

    // MARK: - Other origins

    /// A browser's own question; a caller's OPTIONS says who it is.
    private func isPreflight(_ request: Request) -> Bool {
        request.method == .options && request.headers[.authorization] == nil
            && request.headers[.accessControlRequestMethod] != nil
    }

    private static let usualHeaders =
        "Authorization, Content-Type, Provider-Config-Key, Connection-Id, X-Async, X-Max-Retries, Idempotency-Key"

    private func preflight(allowed: String, headers: String = Self.usualHeaders) -> Response {
        var response = Response.noContent
        allowEveryOrigin(&response)
        response.headers[.accessControlAllowMethods] = allowed
        response.headers[.accessControlAllowHeaders] = headers
        response.headers[.accessControlMaxAge] = "600"
        return response
    }

    private static let exposedHeaders = [
        "Authorization", "Etag", "Content-Type", "Content-Length", "Location", "Retry-After", "X-Request-Id",
        "X-Terapi-Signature",
        "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
    ].joined(separator: ", ")

    // Any page may ask: a caller is known by its bearer token, never by a cookie.
    private func allowEveryOrigin(_ response: inout Response, exposing headers: String = Self.exposedHeaders) {
        response.headers[.accessControlAllowOrigin] = "*"
        response.headers[.accessControlExposeHeaders] = headers
    }
}

/// Request ids: random for each start of the server, counted within it.
private final class RequestIDs: Sendable {
    private let start = hex(randomBytes(6))
    private let count = Atomic<UInt64>(0)

    func next() -> String {
        "\(start)-\(count.wrappingAdd(1, ordering: .relaxed).newValue)"
    }
}

/// A path as it may stand in the log: session tokens, and the tokens of webhook addresses, are part of one.
enum PathForLog {
    static func text(_ path: String) -> String {
        let isWebhook = path.hasPrefix("/webhook/")
        return path.split(separator: "/", omittingEmptySubsequences: false).enumerated()
            .map { $0.element.hasPrefix("terapi_") || isWebhook && $0.offset > 3 ? "***" : String($0.element) }
            .joined(separator: "/")
    }
}

extension TerapiError {
    /// A key may do none of what one of these scopes would let it do.
    static func lacking(_ scopes: [APIScope]) -> TerapiError {
        let names = scopes.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
        return TerapiError(.forbidden, "The API key lacks the scope \(names).")
    }
}

extension HTTPField.Name {
    static let mcpProtocolVersion = Self("MCP-Protocol-Version").wellFormed
    static let requestID = Self("X-Request-Id").wellFormed
    static let providerConfigKey = Self("Provider-Config-Key").wellFormed
    static let connectionID = Self("Connection-Id").wellFormed
    static let isAsync = Self("X-Async").wellFormed
    static let maxRetries = Self("X-Max-Retries").wellFormed
    static let idempotencyKey = Self("Idempotency-Key").wellFormed
    static let retries = Self("Retries").wellFormed
    static let retryOn = Self("Retry-On").wellFormed
    static let baseURLOverride = Self("Base-Url-Override").wellFormed
    static let decompress = Self("Decompress").wellFormed
    static let forwardHeadersOnRedirect = Self("Forward-Headers-On-Redirect").wellFormed
    static let referrerPolicy = Self("Referrer-Policy").wellFormed
}

extension Optional {
    /// For names that are written in this file and known to be well formed.
    fileprivate var wellFormed: Wrapped {
        guard let self else { preconditionFailure("A header's name is not well formed") }
        return self
    }
}
