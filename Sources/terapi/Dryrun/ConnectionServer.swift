import Dispatch
import TerapiCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Sends requests with the credentials of a real connection: through the server that keeps them.
struct ConnectionServer: DryrunServer {
    let client: LocalClient
    let environment: String
    let integrationKey: String
    let connectionID: String
    let consent: WriteConsent

    /// What the script sees as properties, and the connection's metadata.
    func facts() async throws -> (properties: JSONObject, metadata: JSONValue) {
        let answer = try await ask("connection", [:])
        return (answer["properties"]?.object ?? [:], answer["metadata"] ?? [:])
    }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        try await consent.check("\(request.method.uppercased()) \(request.endpoint)", method: request.method)
        var sent: JSONObject = [
            "method": .string(request.method),
            "endpoint": .string(request.endpoint),
            "query": Self.pairs(request.query),
            "headers": Self.pairs(request.headers),
            "retries": JSONValue(request.retries),
            "retry_on": .array(request.retryOn.map { JSONValue($0) }),
            "retry_headers": .array(request.retryHeaders.map(JSONValue.string)),
            "is_authorized": .bool(request.isAuthorized),
        ]
        sent["base_url_override"] = request.baseURLOverride.map(JSONValue.string)
        sent["body"] = request.body.map { .string(Base64.standard.encode($0)) }
        let answer = try await ask("request", ["request": .object(sent)])
        guard let status = answer["status"]?.int, let body = answer["body"]?.string.flatMap(Base64.standard.decode)
        else { throw TerapiError(.serverError, "The server's answer cannot be read.") }
        let headers = (answer["headers"]?.array ?? []).compactMap { pair -> (name: String, value: String)? in
            guard let pair = pair.array, pair.count == 2 else { return nil }
            return (pair[0].string ?? "", pair[1].string ?? "")
        }
        return ScriptResponse(status: status, headers: headers, body: body)
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue? {
        try await ask("call", ["name": .string(name), "arguments": .array(arguments)])["result"] ?? .null
    }

    private static func pairs(_ list: [(name: String, value: String)]) -> JSONValue {
        .array(list.map { [.string($0.name), .string($0.value)] })
    }

    private func ask(_ what: String, _ more: JSONObject) async throws -> JSONValue {
        let place: JSONObject = ["integration": .string(integrationKey), "connection_id": .string(connectionID)]
        let body = JSONValue.object(place.merging(more))
        let path = "/admin/dryrun/\(what)?environment=\(PercentEncoding.encode(environment))"
        // The client waits for its answer: not on a thread that others need.
        return try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try client.send("POST", path, body: body) })
            }
        }
    }
}

/// Lets a dryrun send what may change something at the provider only when its person wants that.
final class WriteConsent: Sendable {
    enum Policy: Sendable {
        case allow, ask, refuse
    }

    private let policy: Policy
    private let questions = DispatchQueue(label: "terapi.consent")
    private let isForAll = Answer()

    init(_ policy: Policy) {
        self.policy = policy
    }

    /// - Throws: `TerapiError(.outboundRefused)`.
    func check(_ request: String, method: String) async throws {
        guard !["GET", "HEAD", "OPTIONS"].contains(method.uppercased()) else { return }
        let isAllowed =
            switch policy {
            case .allow: true
            case .refuse: false
            case .ask:
                await withCheckedContinuation { continuation in
                    questions.async { continuation.resume(returning: self.ask(request)) }
                }
            }
        guard isAllowed else {
            throw TerapiError(
                .outboundRefused,
                "\(request) was not sent: it may change something at the provider. With --allow-writes a dryrun sends "
                    + "such requests too."
            )
        }
    }

    private func ask(_ request: String) -> Bool {
        if isForAll.isYes { return true }
        let question = "\(request) may change something at the provider. Send it? [y]es, [a]ll, [N]o: "
        // Standard output is for what came of it.
        _ = Array(question.utf8).withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
        switch readLine()?.lowercased().first {
        case "y": return true
        case "a":
            isForAll.isYes = true
            return true
        default: return false
        }
    }

    /// Touched on the queue of the questions alone.
    private final class Answer: @unchecked Sendable {
        var isYes = false
    }
}
