import Synchronization
import TerapiCore
import TerapiScripts

/// What a dryrun begins with.
struct DryrunFacts: Sendable {
    var integrationKey = ""
    var connection: JSONValue?
    var metadata: JSONValue?
    var checkpoint: JSONValue?
    var token: JSONValue?
    /// Names and values.
    var variables: JSONValue?
    /// The provider's own `paginate` block.
    var paginate: JSONValue?
    /// The moment at which the script's clock stands.
    var now: JSONValue?
    var webhookURL: JSONValue?
}

/// Who answers what a script that runs dry cannot answer itself.
protocol DryrunServer: Sendable {
    func send(_ request: ScriptRequest) async throws -> ScriptResponse

    /// Calls that read something of the connection.
    /// - Returns: `nil` when what the dryrun began with is the answer.
    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue?
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

    private let server: any DryrunServer
    private let facts: DryrunFacts
    private let current: Mutex<State>

    init(server: any DryrunServer, facts: DryrunFacts) {
        self.server = server
        self.facts = facts
        var state = State()
        state.checkpoint = facts.checkpoint
        state.metadata = facts.metadata ?? facts.connection?["metadata"]
        current = Mutex(state)
    }

    var state: State { current.withLock { $0 } }

    /// What the script sees as properties of its first argument.
    var properties: JSONObject {
        var properties: JSONObject = [
            "connectionId": facts.connection?["connection_id"] ?? "dryrun",
            "providerConfigKey": facts.connection?["provider_config_key"] ?? .string(facts.integrationKey),
            "provider": facts.connection?["provider"] ?? .string(facts.integrationKey),
            "isDryrun": true,
        ]
        properties["paginate"] = facts.paginate
        properties["now"] = facts.now
        return properties
    }

    // MARK: Requests

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        let started = ContinuousClock.now
        let shown = "\(request.method.uppercased()) \(request.target)"
        do {
            let response = try await server.send(request)
            note(SentRequest(text: shown, status: response.status, duration: .now - started))
            return response
        } catch {
            note(SentRequest(text: shown, status: nil, duration: .now - started))
            throw error
        }
    }

    private func note(_ request: SentRequest) {
        current.withLock { $0.requests.append(request) }
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
        if Self.readingCalls.contains(name), let answer = try await server.call(name, arguments: arguments) {
            return merging(answer, to: name, arguments)
        }
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
        case "getWebhookURL": return facts.webhookURL ?? .null
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

    private static let readingCalls: Set<String> = [
        "getConnection", "getToken", "getIntegration", "getEnvironmentVariables", "getFlowAttributes", "getWebhookURL",
        "getRecordsByIds", "listRecords",
    ]

    /// What this run has changed goes over what is stored.
    private func merging(_ answer: JSONValue, to name: String, _ arguments: [JSONValue]) -> JSONValue {
        let state = state
        switch (name, answer) {
        case ("getRecordsByIds", .object(let stored)):
            return .object(stored.merging(recordsByIDs(arguments).object ?? [:]))
        case ("getConnection", .object(var connection)) where state.hasNewMetadata && arguments.first?.string == nil:
            connection["metadata"] = state.metadata
            return .object(connection)
        default: return answer
        }
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
