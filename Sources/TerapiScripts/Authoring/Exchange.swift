public import TerapiCore

/// One request that a script sent, and what came of it.
public struct Exchange: Sendable, Equatable {
    public enum Answer: Sendable, Equatable {
        case response(status: Int, headers: JSONObject, body: RecordedBody)
        /// No answer came.
        case failure(code: TerapiError.Code, message: String)
    }

    public var request: RecordedRequest
    public var answer: Answer

    public init(request: RecordedRequest, answer: Answer) {
        self.request = request
        self.answer = answer
    }

    /// Keeps what a script can want to know of an answer.
    public init(_ request: ScriptRequest, _ result: Result<ScriptResponse, TerapiError>) {
        self.request = RecordedRequest(request)
        switch result {
        case .success(let response):
            var headers: JSONObject = [:]
            for (name, value) in response.headers where Self.isKept(name) {
                headers[name] = .string(headers[name]?.string.map { "\($0), \(value)" } ?? value)
            }
            answer = .response(status: response.status, headers: headers, body: RecordedBody(response.body))
        case .failure(let error):
            answer = .failure(code: error.code, message: error.message)
        }
    }

    private static let leftOut: Set<String> = [
        "authentication-info", "connection", "content-encoding", "content-length", "date", "keep-alive", "nel",
        "report-to", "server", "set-cookie", "strict-transport-security", "transfer-encoding", "vary", "via",
        "www-authenticate",
    ]

    /// What tells of the connection, or may authorize somebody, is no one's business.
    static func isKept(_ header: String) -> Bool {
        let name = header.lowercased()
        return !leftOut.contains(name)
            && !["authorization", "cookie", "token", "secret", "api-key", "session"].contains { name.contains($0) }
    }

    /// - Throws: `TerapiError` when no answer came.
    var response: ScriptResponse {
        get throws {
            switch answer {
            case .failure(let code, let message): throw TerapiError(code, message)
            case .response(let status, let headers, let body):
                return ScriptResponse(
                    status: status,
                    headers: headers.members.map { ($0.name, $0.value.string ?? $0.value.text()) },
                    body: body.bytes
                )
            }
        }
    }
}

/// A request as far as it decides what the answer is.
public struct RecordedRequest: Sendable, Equatable {
    public var method: String
    /// Without scheme and host.
    public var path: String
    /// In the order in which they were sent, which does not count.
    public var query: [(name: String, value: String)]
    public var body: RecordedBody

    public init(
        method: String, path: String, query: [(name: String, value: String)] = [], body: RecordedBody = .none
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
    }

    public init(_ request: ScriptRequest) {
        let target = request.target
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        method = request.method.uppercased()
        path = parts.first.map(String.init) ?? "/"
        query = (parts.count > 1 ? parts[1] : "").split(separator: "&").map { part in
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            func decoded(_ text: Substring) -> String {
                PercentEncoding.decode(text, plusIsSpace: true) ?? String(text)
            }
            return (decoded(pair[0]), pair.count > 1 ? decoded(pair[1]) : "")
        }
        body = request.body.map { RecordedBody($0) } ?? .none
    }

    public static func == (left: Self, right: Self) -> Bool {
        func sorted(_ query: [(name: String, value: String)]) -> [[String]] {
            query.map { [$0.name, $0.value] }.sorted { ($0[0], $0[1]) < ($1[0], $1[1]) }
        }
        return left.method == right.method && left.path == right.path && left.body == right.body
            && sorted(left.query) == sorted(right.query)
    }

    /// `GET /issues?state=open`, with as much of the body as tells which one it is.
    public var summary: String {
        let text = query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
        let line = "\(method) \(path)\(text.isEmpty ? "" : "?\(text)")"
        return body == .none ? line : "\(line)  \(body.summary)"
    }
}

/// A body as it stands in a test: readable where it can be.
public enum RecordedBody: Sendable, Equatable {
    case none
    case json(JSONValue)
    case text(String)
    case bytes([UInt8])

    public init(_ bytes: [UInt8]) {
        if bytes.isEmpty {
            self = .none
        } else if let json = try? JSONReader.read(bytes) {
            self = .json(json)
        } else if let text = String(validating: bytes, as: UTF8.self) {
            self = .text(text)
        } else {
            self = .bytes(bytes)
        }
    }

    public var bytes: [UInt8] {
        switch self {
        case .none: []
        case .json(let json): json.encoded()
        case .text(let text): Array(text.utf8)
        case .bytes(let bytes): bytes
        }
    }

    fileprivate var summary: String {
        let text =
            switch self {
            case .none: ""
            case .json(let json): json.text()
            case .text(let text): text
            case .bytes(let bytes): "\(bytes.count) bytes"
            }
        return text.count > 120 ? text.prefix(120) + "…" : text
    }
}

extension ScriptRequest {
    /// Path and query; a whole URL loses its scheme and host.
    public var target: String {
        let path = Self.path(of: endpoint)
        guard !query.isEmpty else { return path }
        let separator = path.contains("?") ? (path.hasSuffix("?") || path.hasSuffix("&") ? "" : "&") : "?"
        return path + separator + PercentEncoding.query(query)
    }

    /// Of a path or a whole URL.
    public static func path(of endpoint: String) -> String {
        var rest = endpoint[...]
        if let mark = rest.firstRange(of: "://"), rest[..<mark.lowerBound].allSatisfy(\.isLetter) {
            rest = rest[mark.upperBound...].drop { !"/?#".contains($0) }
        }
        rest = rest.prefix { $0 != "#" }
        return rest.hasPrefix("/") || rest.hasPrefix("?") || rest.isEmpty ? String(rest) : "/\(rest)"
    }
}
