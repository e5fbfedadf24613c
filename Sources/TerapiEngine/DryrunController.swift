public import TerapiCore

/// Lends a connection to scripts that run dry outside the server.
public struct DryrunController: DryrunControl {
    /// Calls that change nothing. Everything else stays with who runs the script.
    private static let readingCalls: Set<String> = [
        "getConnection", "getToken", "getIntegration", "getEnvironmentVariables", "getFlowAttributes", "getWebhookURL",
    ]

    let services: EngineServices

    public func connection(_ place: DryrunPlace) async throws -> (properties: JSONObject, metadata: JSONObject) {
        let (connection, _) = try await connected(place)
        let properties = ConnectionFunctions.properties(of: connection, providers: services.providers)
        return (properties, connection.metadata ?? [:])
    }

    public func send(_ request: ScriptRequest, of place: DryrunPlace) async throws -> ScriptResponse {
        let (connection, integration) = try await connected(place)
        let client = ConnectionClient(
            connection: connection,
            integration: integration,
            providers: services.providers,
            credentials: services.credentials,
            gate: services.gate,
            clock: services.clock,
            log: log(connection)
        )
        return try await client.send(request, metadata: connection.metadata)
    }

    public func call(_ name: String, arguments: [JSONValue], of place: DryrunPlace) async throws -> JSONValue {
        let (connection, integration) = try await connected(place)
        let functions = ConnectionFunctions(
            ConnectionFunctions.Run(
                connection: connection,
                integration: integration,
                credentials: services.credentials,
                // Nothing that is set may be kept.
                isStored: false,
                log: log(connection)
            ),
            services: services
        )
        switch name {
        case "getRecordsByIds":
            return try await functions.recordsByIDs(
                arguments, in: try stream(connection, arguments.dropFirst().first))
        case "listRecords":
            return try await functions.recordPage(arguments, in: try stream(connection, arguments.first))
        default:
            guard Self.readingCalls.contains(name),
                let answer = try await functions.call(name, arguments: arguments)
            else { throw TerapiError(.notFound, "A dryrun cannot call \(name) of the server.") }
            return answer
        }
    }

    private func connected(_ place: DryrunPlace) async throws -> (Connection, Integration) {
        try await services.connected(place.connectionID, integrationKey: place.integrationKey, in: place.scope)
    }

    private func stream(_ connection: Connection, _ model: JSONValue?) throws -> RecordStream {
        guard let model = model?.string, !model.isEmpty else {
            throw TerapiError(.scriptError, "The name of a model is missing.")
        }
        return RecordStream(connectionID: connection.id, model: model)
    }

    private func log(_ connection: Connection) -> OperationLog {
        OperationLog(
            LogOperation(scope: connection.scope, kind: .actionRun, message: "dryrun", createdAt: services.clock.now),
            sink: NoLog(),
            clock: services.clock
        )
    }

    /// A dryrun tells its own person what it does.
    private struct NoLog: LogSink {
        func record(_ operation: LogOperation) {}
        func record(_ message: LogMessage) {}
    }
}
