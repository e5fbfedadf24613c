import Synchronization
import TerapiCore

/// What the logs keep of a call through the proxy: no body, and no value whose name speaks of a secret.
struct ProxyTrace: Sendable {
    private static let secretWords = [
        "auth", "cookie", "credential", "key", "passw", "secret", "session", "signature", "token",
    ].map { Array($0.utf8) }
    /// Too short to be looked for inside other words.
    private static let secretNames: Set = ["code", "jwt", "pass", "pwd", "sig"]

    let begunAt: Timestamp
    let method: String
    private let path: String
    private let query: String
    private let headers: [(name: String, value: String)]
    private let bodyBytes: Int?

    init(_ request: ProxyRequest, begunAt: Timestamp) {
        self.begunAt = begunAt
        method = request.request.method
        let endpoint = request.request.endpoint
        path = String(endpoint.prefix { $0 != "?" })
        query = Self.shown(query: endpoint.drop { $0 != "?" }.dropFirst())
        headers = request.request.headers
        bodyBytes = request.body?.length
    }

    var title: String { "\(method) /\(path.drop { $0 == "/" })" }

    /// - Parameter answer: its address may hold what the provider's file adds to the query: that part is left out.
    func facts(_ answer: any OutboundAnswer, bytes: Int, endedAt: Timestamp) -> JSONObject {
        var request: JSONObject = [
            "method": .string(method),
            "url": .string(String(answer.url.prefix { $0 != "?" }) + (query.isEmpty ? "" : "?\(query)")),
            "headers": .object(Self.shown(headers)),
        ]
        request["body_bytes"] = bodyBytes.map { JSONValue($0) }
        return [
            "request": .object(request),
            "response": [
                "status": JSONValue(answer.status),
                "headers": .object(Self.shown(answer.headers)),
                "body_bytes": JSONValue(bytes),
            ],
            "duration_ms": JSONValue(milliseconds(until: endedAt)),
        ]
    }

    func milliseconds(until moment: Timestamp) -> Int {
        Int((moment - begunAt).seconds * 1000)
    }

    private static func shown(_ headers: [(name: String, value: String)]) -> JSONObject {
        JSONObject(
            headers.map { name, value -> (String, JSONValue) in
                let name = name.lowercased()
                return (name, .string(isSecret(name) ? "***" : withoutQueries(value)))
            }
        )
    }

    /// An address that a provider hands out is often a key itself: what follows its path is not shown.
    private static func withoutQueries(_ value: String) -> String {
        guard value.utf8.contains(UInt8(ascii: "?")) || value.utf8.contains(UInt8(ascii: "#")) else { return value }
        var shown = ""
        var rest = value[...]
        while let mark = rest.firstIndex(where: { $0 == "?" || $0 == "#" }) {
            let end = rest[mark...].firstIndex { $0 == ">" || $0 == "\"" || $0.isWhitespace } ?? rest.endIndex
            let query = rest[rest.index(after: mark)..<end]
            shown += rest[...mark] + (query.isEmpty ? "" : "***")
            rest = rest[end...]
        }
        return shown + rest
    }

    private static func shown(query: Substring) -> String {
        query.split(separator: "&", omittingEmptySubsequences: false).map { pair in
            let name = pair.prefix { $0 != "=" }
            let plain = PercentEncoding.decode(name) ?? String(name)
            return name.count < pair.count && isSecret(plain.lowercased()) ? "\(name)=***" : String(pair)
        }.joined(separator: "&")
    }

    private static func isSecret(_ name: String) -> Bool {
        if secretNames.contains(name) { return true }
        let name = Array(name.utf8)
        return secretWords.contains { word in
            name.count >= word.count && (0...name.count - word.count).contains { name[$0...].starts(with: word) }
        }
    }
}

/// Ends the log of a call when its answer has passed, or does not go on.
final class LoggedAnswer: OutboundAnswer {
    private let answer: any OutboundAnswer
    private let trace: ProxyTrace
    private let log: OperationLog
    private let clock: any WallClock
    private let state = Mutex((isEnded: false, isAbandoned: false))

    init(_ answer: any OutboundAnswer, _ trace: ProxyTrace, _ log: OperationLog, _ clock: any WallClock) {
        self.answer = answer
        self.trace = trace
        self.log = log
        self.clock = clock
    }

    deinit {
        cancel(bytes: 0)
    }

    var status: Int { answer.status }
    var headers: [(name: String, value: String)] { answer.headers }
    var url: String { answer.url }

    var wholeBody: [UInt8]? {
        let body = answer.wholeBody
        if let body { end(answer.status < 400 ? .success : .failed, bytes: body.count) }
        return body
    }

    func beginning(_ count: Int) async throws -> [UInt8] {
        try await answer.beginning(count)
    }

    func readBody(_ take: ByteFlow.Take) async throws {
        var bytes = 0
        do {
            try await answer.readBody { piece in
                try await take(piece)
                bytes += piece.count
            }
            end(answer.status < 400 ? .success : .failed, bytes: bytes)
        } catch let error as TerapiError where !state.withLock({ $0.isAbandoned }) {
            end(.failed, bytes: bytes, ", and broke off: \(error.message)")
            throw error
        } catch {
            cancel(bytes: bytes)
            throw error
        }
    }

    func abandon() {
        state.withLock { $0.isAbandoned = true }
        answer.abandon()
    }

    private func cancel(bytes: Int) {
        end(.cancelled, bytes: bytes, ", and the caller went away")
    }

    private func end(_ state: LogOperation.State, bytes: Int, _ more: String = "") {
        let isFirst = self.state.withLock { state in
            defer { state.isEnded = true }
            return !state.isEnded
        }
        guard isFirst else { return }
        let now = clock.now
        log.write(
            state == .success ? .info : .warn,
            "The provider answered \(answer.status) after \(trace.milliseconds(until: now)) ms\(more).",
            meta: trace.facts(answer, bytes: bytes, endedAt: now)
        )
        log.end(state)
    }
}
