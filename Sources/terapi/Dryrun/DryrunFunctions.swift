import Synchronization
import TerapiCore

/// What a dryrun begins with.
struct DryrunFacts: Sendable {
    var integrationKey = ""
    var connection: JSONValue?
    var metadata: JSONValue?
    var checkpoint: JSONValue?
    var token: JSONValue?
    /// Names and values.
    var variables: JSONValue?
}

/// The server of a script that runs dry: remembers everything and keeps nothing.
final class DryrunFunctions: ScriptFunctions {
    struct SentRequest: Sendable {
        var text: String
        /// `nil` when there was no answer.
        var status: Int?
        var duration: Duration
    }

    /// Documents as the script gave them; the models in the order of their first ones.
    struct Documents: Sendable {
        private(set) var models: [String] = []
        private var lists: [String: [JSONValue]] = [:]

        subscript(model: String) -> [JSONValue] { lists[model] ?? [] }

        mutating func add(_ documents: [JSONValue], of model: String) {
            if lists[model] == nil { models.append(model) }
            lists[model, default: []] += documents
        }

        var json: JSONValue { .object(JSONObject(models.map { ($0, .array(self[$0])) })) }
    }

    struct State: Sendable {
        var changes: [ScriptRecordChange.Kind: Documents] = [:]
        var tracked: JSONObject = [:]
        var checkpoint: JSONValue?
        var metadata: JSONValue?
        var hasNewMetadata = false
        var logs: [JSONValue] = []
        var requests: [SentRequest] = []
    }

    private static let maxRedirects = 5

    private let client: any OutboundClient
    private let facts: DryrunFacts
    private let baseURL: String
    private let current: Mutex<State>

    init(client: any OutboundClient, facts: DryrunFacts, baseURL: String) {
        self.client = client
        self.facts = facts
        self.baseURL = String(baseURL.reversed().drop { $0 == "/" }.reversed())
        var state = State()
        state.checkpoint = facts.checkpoint
        state.metadata = facts.metadata ?? facts.connection?["metadata"]
        current = Mutex(state)
    }

    var state: State { current.withLock { $0 } }

    /// What the script sees as properties of its first argument.
    var properties: JSONObject {
        [
            "connectionId": facts.connection?["connection_id"] ?? "dryrun",
            "providerConfigKey": facts.connection?["provider_config_key"] ?? .string(facts.integrationKey),
            "provider": facts.connection?["provider"] ?? .string(facts.integrationKey),
            "isDryrun": true,
        ]
    }

    // MARK: Requests

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        let started = ContinuousClock.now
        var outbound = OutboundRequest(
            method: request.method.uppercased(),
            url: adding(request.query, to: baseURL + path(of: request.endpoint)),
            headers: request.headers,
            body: request.body,
            purpose: .script,
            redirects: .never
        )
        let shown = "\(outbound.method) \(outbound.url.dropFirst(baseURL.count))"
        do {
            var response = try await client.send(outbound)
            var redirects = 0
            while let location = response.header("location"), (300..<400).contains(response.status),
                redirects < Self.maxRedirects
            {
                redirects += 1
                if response.status == 303 || (outbound.method == "POST" && response.status < 303) {
                    outbound.method = "GET"
                    outbound.body = nil
                }
                outbound.url = baseURL + path(of: location)
                response = try await client.send(outbound)
            }
            note(SentRequest(text: shown, status: response.status, duration: .now - started))
            return ScriptResponse(status: response.status, headers: response.headers, body: response.body)
        } catch {
            note(SentRequest(text: shown, status: nil, duration: .now - started))
            throw error
        }
    }

    private func note(_ request: SentRequest) {
        current.withLock { $0.requests.append(request) }
    }

    /// Path and query; a whole URL loses its scheme and host.
    private func path(of endpoint: String) -> String {
        var rest = endpoint[...]
        if let mark = rest.firstRange(of: "://"), rest[..<mark.lowerBound].allSatisfy(\.isLetter) {
            rest = rest[mark.upperBound...].drop { !"/?#".contains($0) }
        }
        rest = rest.prefix { $0 != "#" }
        return rest.hasPrefix("/") || rest.hasPrefix("?") || rest.isEmpty ? String(rest) : "/\(rest)"
    }

    private func adding(_ query: [(name: String, value: String)], to url: String) -> String {
        guard !query.isEmpty else { return url }
        let separator = url.contains("?") ? (url.hasSuffix("?") || url.hasSuffix("&") ? "" : "&") : "?"
        return url + separator + PercentEncoding.query(query)
    }

    // MARK: Records

    func change(_ change: ScriptRecordChange) async throws {
        let documents = try change.documents.map { try JSONReader.read($0) }
        current.withLock { state in
            state.changes[change.kind, default: Documents()].add(documents, of: change.model)
            if let checkpoint = change.checkpoint { state.checkpoint = checkpoint }
        }
    }

    private func saved(_ model: String?) -> [JSONValue] {
        state.changes[.save]?[model ?? ""] ?? []
    }

    // MARK: Calls

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue {
        switch name {
        case "getConnection": return connection
        case "getMetadata": return state.metadata ?? [:]
        case "setMetadata": return setMetadata { _ in arguments.first?.object ?? [:] }
        case "updateMetadata": return setMetadata { $0.merging(arguments.first?.object ?? [:]) }
        case "getCheckpoint": return state.checkpoint ?? .null
        case "saveCheckpoint": current.withLock { $0.checkpoint = arguments.first }
        case "clearCheckpoint": current.withLock { $0.checkpoint = nil }
        case "getToken": return facts.token ?? token
        case "getIntegration":
            return ["unique_key": .string(facts.integrationKey), "provider": properties["provider"] ?? .null]
        case "getEnvironmentVariables": return variables
        case "getWebhookURL": return .string("\(baseURL)/webhook/\(facts.integrationKey)")
        case "getRecordsByIds": return recordsByIDs(arguments)
        case "listRecords": return ["records": .array(saved(arguments.first?.string)), "next_cursor": .null]
        case "log": log(arguments)
        case "trackDeletesStart": track("started", arguments)
        case "trackDeletesEnd", "deleteRecordsFromPreviousExecutions":
            track("ended", arguments)
            // Nothing is there that could have gone.
            return ["deletedKeys": []]
        case "tryAcquireLock", "releaseLock": return true
        case "triggerAction", "triggerSync", "startSync":
            let text = "\(name)(\(arguments.map { $0.text() }.joined(separator: ", "))) is not done in a dryrun."
            log([.string(text), .null, ["level": "warn"]])
        default: break
        }
        return .null
    }

    private var connection: JSONValue {
        let state = state
        guard case .object(var connection)? = facts.connection else {
            return facts.connection ?? [
                "connection_id": "dryrun",
                "provider_config_key": .string(facts.integrationKey),
                "connection_config": [:],
                "metadata": state.metadata ?? [:],
                "credentials": [:],
            ]
        }
        if state.hasNewMetadata { connection["metadata"] = state.metadata }
        return .object(connection)
    }

    /// What the connection's credentials have of it.
    private var token: JSONValue {
        let credentials = facts.connection?["credentials"]
        return credentials?["access_token"] ?? credentials?["apiKey"] ?? credentials?["token"] ?? credentials ?? .null
    }

    private var variables: JSONValue {
        let members = facts.variables?.object?.members ?? []
        return .array(members.map { ["name": .string($0.name), "value": $0.value] })
    }

    private func setMetadata(_ make: (JSONObject) -> JSONObject) -> JSONValue {
        current.withLock { state in
            state.metadata = .object(make(state.metadata?.object ?? [:]))
            state.hasNewMetadata = true
        }
        return .null
    }

    private func recordsByIDs(_ arguments: [JSONValue]) -> JSONValue {
        let wanted = Set((arguments.first?.array ?? []).map { $0.string ?? $0.text() })
        let found = saved(arguments.dropFirst().first?.string).compactMap { record -> (String, JSONValue)? in
            guard let id = record["id"].map({ $0.string ?? $0.text() }), wanted.contains(id) else { return nil }
            return (id, record)
        }
        return .object(JSONObject(found))
    }

    private func log(_ arguments: [JSONValue]) {
        var entry: JSONObject = [
            "level": arguments.dropFirst().compactMap { $0["level"]?.string }.last.map(JSONValue.string) ?? "info",
            "message": arguments.first ?? "",
        ]
        if arguments.count > 1, !arguments[1].isNull { entry["meta"] = arguments[1] }
        current.withLock { $0.logs.append(.object(entry)) }
    }

    private func track(_ step: String, _ arguments: [JSONValue]) {
        guard let model = arguments.first?.string else { return }
        current.withLock { state in
            var steps = state.tracked[model]?.object ?? [:]
            steps[step] = true
            state.tracked[model] = .object(steps)
        }
    }
}
