import HTTPTypes
import Hummingbird
import NIOCore
import TerapiCore

/// A request on its way to a handler: known caller, found route.
struct Call: Sendable {
    let request: Request
    let caller: Caller
    let parameters: [String: String]
    /// For `X-Request-Id` and the log.
    let requestID: String
    let now: Timestamp
    let maxBodyBytes: Int
    /// What the caller speaks through.
    var channel: (any Channel)?

    /// The environment that the caller may touch.
    var scope: EnvironmentScope {
        get throws {
            switch caller {
            case .key(let key): key.scope
            case .session(let session): session.scope
            case .anyone: throw TerapiError(.serverError, "This route needs a caller and its access says anyone.")
            }
        }
    }

    var session: ConnectSession {
        get throws {
            guard case .session(let session) = caller else {
                throw TerapiError(.serverError, "This route needs a connect session and its access says otherwise.")
            }
            return session
        }
    }

    /// Whether the caller's key has a scope beyond what the route asks for.
    func allows(_ scope: APIScope) -> Bool {
        guard case .key(let key) = caller else { return false }
        return key.allows(scope)
    }

    /// - Throws: `TerapiError(.forbidden)` when the caller's key lacks a scope.
    func require(_ scope: APIScope) throws {
        guard allows(scope) else { throw TerapiError.lacking([scope]) }
    }

    func parameter(_ name: String) -> String {
        parameters[name] ?? ""
    }

    func parameter(_ name: String, _ rule: TextRule) throws -> String {
        let value = parameter(name)
        if let problem = rule.problem(with: value) {
            throw TerapiError(
                .invalidURIParams,
                "The address is not valid.",
                issues: [TerapiError.Issue(code: problem.code, message: problem.message, path: [name])]
            )
        }
        return value
    }

    func query() throws -> QueryReader {
        try QueryReader(request.uri.query ?? "")
    }

    /// The body as a JSON document, `{}` when there is none.
    func json() async throws -> JSONValue {
        let bytes = try await bytes()
        guard !bytes.isEmpty else { return .object(JSONObject()) }
        guard isJSON else {
            throw TerapiError(.unsupportedMediaType, "Send the body as application/json.")
        }
        do {
            return try JSONReader.read(
                bytes,
                limits: JSONReader.Limits(maxDepth: 64, maxNodes: 100_000, allowsRepeatedNames: false)
            )
        } catch {
            throw TerapiError(
                .invalidBody,
                "The body is not valid JSON.",
                issues: [
                    TerapiError.Issue(
                        code: error.repeatedName == nil ? "invalid_json" : "repeated_key",
                        message: "\(error).",
                        path: error.repeatedName.map { [$0] } ?? []
                    )
                ]
            )
        }
    }

    func body() async throws -> BodyReader {
        BodyReader(try await json())
    }

    private var isJSON: Bool {
        guard let type = request.headers[.contentType] else { return false }
        let essence = type.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        return essence == "application/json" || (essence.hasPrefix("application/") && essence.hasSuffix("+json"))
    }

    /// The body as it came.
    func bytes() async throws -> [UInt8] {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > maxBodyBytes {
            throw tooLarge
        }
        askForBody()
        let begun = ContinuousClock.now
        var bytes: [UInt8] = []
        for try await chunk in request.body {
            guard bytes.count + chunk.readableBytes <= maxBodyBytes else { throw tooLarge }
            bytes.append(contentsOf: chunk.readableBytesView)
            // At least 1 kB/s after the first ten seconds: who is slower holds a connection for nothing.
            let seconds = (ContinuousClock.now - begun).seconds
            guard seconds < 10 || Double(bytes.count) >= (seconds - 10) * 1000 else {
                throw TerapiError(.payloadTooLarge, "The body came too slowly.")
            }
        }
        return bytes
    }

    /// To be called before the body is read: whoever is refused before that need not send it.
    func askForBody() {
        guard request.headers[.expect]?.lowercased() == "100-continue", let channel else { return }
        ContinueHandler.send(through: channel)
    }

    private var tooLarge: TerapiError {
        TerapiError(.payloadTooLarge, "The body is larger than \(maxBodyBytes) bytes.")
    }
}
