public import TerapiCore

/// Runs, pauses and tells about syncs on a person's request.
public struct SyncController: SyncControl {
    /// Variants of one sync on one connection.
    static let maxVariants = 100

    let services: EngineServices

    public func definitions(integrationKey: String, in scope: EnvironmentScope) -> [SyncDefinition] {
        services.catalog.syncs(integrationKey: integrationKey, in: scope)
    }

    public func trigger(
        _ selection: SyncSelection,
        reset: Bool,
        emptyCache: Bool,
        confirmsMassDeletion: Bool
    ) async throws {
        for (sync, connection) in try await select(selection) {
            // Before the request: the run that it asks for may begin at once, and its records must stay.
            if reset, emptyCache { try await services.records.removeRecords(of: streams(sync)) }
            try await services.syncs.requestRun(
                syncID: sync.id,
                reset: reset,
                confirmsMassDeletion: confirmsMassDeletion,
                now: services.clock.now
            )
            note(reset ? .syncRequestReset : .syncRequestRun, sync, connection, "A run was requested.")
        }
        services.syncWakeUp.ring()
    }

    public func start(_ selection: SyncSelection) async throws {
        let now = services.clock.now
        for (sync, connection) in try await select(selection) where sync.state == .paused {
            try await services.syncs.setState(.started, syncID: sync.id, nextRunAt: now, now: now)
            note(.syncStart, sync, connection, "The sync was started.")
        }
        services.syncWakeUp.ring()
    }

    public func pause(_ selection: SyncSelection) async throws {
        for (sync, connection) in try await select(selection) where sync.state == .started {
            try await services.syncs.setState(.paused, syncID: sync.id, nextRunAt: nil, now: services.clock.now)
            note(.syncPause, sync, connection, "The sync was paused.")
        }
    }

    public func setFrequency(_ frequency: Frequency?, of selection: SyncSelection) async throws -> String {
        guard let (sync, _) = try await select(selection).first else {
            throw TerapiError(.unknownSync, "There is no such sync on this connection.")
        }
        let definition = services.catalog.definition(of: sync)
        let current = frequency ?? definition?.frequency ?? .daily
        let lastStart = try await services.syncs.latestRun(syncID: sync.id)?.startedAt
        let next = lastStart.map { current.due(after: $0, now: services.clock.now) }
        try await services.syncs.setFrequencyOverride(
            frequency?.text,
            syncID: sync.id,
            nextRunAt: sync.state == .started ? next ?? sync.nextRunAt : nil
        )
        services.syncWakeUp.ring()
        return current.text
    }

    public func status(_ selection: SyncSelection) async throws -> [SyncStatus] {
        var statuses: [SyncStatus] = []
        for (sync, connection) in try await select(selection, mayBeEmpty: true) {
            let run = try await services.syncs.latestRun(syncID: sync.id)
            statuses.append(
                SyncStatus(
                    sync: sync,
                    connectionID: connection.connectionID,
                    latestRun: run,
                    status: status(of: sync, run),
                    frequency: services.catalog.frequency(of: sync).text,
                    recordCounts: try await services.records.counts(connectionID: connection.id),
                    backfill: try await services.syncs.backfill(syncID: sync.id)
                )
            )
        }
        return statuses
    }

    // MARK: Variants

    @discardableResult
    public func createVariant(_ variant: SyncVariant) async throws -> Sync {
        let (definition, connection) = try await find(variant)
        let sync = try await services.syncs.addVariant(
            variant.name,
            of: definition,
            connectionID: connection.id,
            limit: Self.maxVariants,
            now: services.clock.now
        )
        note(.syncCreateVariant, sync, connection, "The variant was made.")
        services.syncWakeUp.ring()
        return sync
    }

    public func deleteVariant(_ variant: SyncVariant) async throws {
        let (definition, connection) = try await find(variant)
        let sync = try await services.syncs.syncs(connectionID: connection.id).first {
            $0.name == variant.syncName && $0.variant == variant.name
        }
        guard let sync else {
            throw TerapiError(
                .notFound, "The sync \"\(variant.syncName)\" has no variant \"\(variant.name)\" on this connection.")
        }
        try await services.syncs.removeVariant(sync, models: definition.models)
        // Its mark on the connection goes with it.
        try await services.connections.setError(.sync, subject: sync.title, operationID: nil, row: connection.id)
        note(.syncDeleteVariant, sync, connection, "The variant and its records were removed.")
    }

    private func find(_ variant: SyncVariant) async throws -> (SyncDefinition, Connection) {
        let selection = SyncSelection(
            scope: variant.scope,
            integrationKey: variant.integrationKey,
            connectionID: variant.connectionID,
            names: [variant.syncName]
        )
        guard let connection = try await connections(selection).first else {
            throw TerapiError(.unknownConnection, "There is no such connection in this environment.")
        }
        let definition = services.catalog.sync(
            named: variant.syncName, integrationKey: variant.integrationKey, in: variant.scope
        )
        guard let definition else {
            throw TerapiError(
                .unknownSync, "The integration \"\(variant.integrationKey)\" has no sync \"\(variant.syncName)\".")
        }
        return (definition, connection)
    }

    // MARK: Finding

    private func status(of sync: Sync, _ run: SyncRun?) -> String {
        // A run may have begun since the sync was read.
        if sync.runningRunID != nil || run?.status == .running { return "RUNNING" }
        if sync.state == .paused { return "PAUSED" }
        if services.catalog.definition(of: sync) == nil { return "STOPPED" }
        return switch run?.status {
        case .failed, .abandoned: "ERROR"
        case .cancelled: "STOPPED"
        case .success, .running, nil: "SUCCESS"
        }
    }

    private func connections(_ selection: SyncSelection) async throws -> [Connection] {
        guard
            try await services.settings.integration(key: selection.integrationKey, in: selection.scope) != nil
        else {
            throw TerapiError(
                .unknownProviderConfig,
                "There is no integration \"\(selection.integrationKey)\" in this environment."
            )
        }
        guard let connectionID = selection.connectionID else {
            return try await services.connections.connections(
                ConnectionFilter(integrationKeys: [selection.integrationKey], limit: .max),
                in: selection.scope
            )
        }
        let found = try await services.connections.connection(
            connectionID,
            integrationKey: selection.integrationKey,
            in: selection.scope
        )
        guard let found else {
            throw TerapiError(.unknownConnection, "There is no such connection in this environment.")
        }
        return [found]
    }

    private func select(
        _ selection: SyncSelection,
        mayBeEmpty: Bool = false
    ) async throws -> [(sync: Sync, connection: Connection)] {
        let connections = try await connections(selection)
        var selected: [(Sync, Connection)] = []
        for connection in connections {
            let syncs = try await services.syncs.syncs(connectionID: connection.id)
            selected += syncs.filter { sync in
                selection.names.isEmpty || selection.names.contains("\(sync.name)::\(sync.variant)")
                    || (sync.variant == Sync.base && selection.names.contains(sync.name))
            }
            .map { ($0, connection) }
        }
        guard mayBeEmpty || !selected.isEmpty else {
            throw TerapiError(
                .noSyncsFound,
                "No sync of \"\(selection.integrationKey)\" matches. Defined are: "
                    + definitions(integrationKey: selection.integrationKey, in: selection.scope).map(\.name).joined(
                        separator: ", ") + "."
            )
        }
        return selected
    }

    private func streams(_ sync: Sync) -> [RecordStream] {
        let models = services.catalog.definition(of: sync)?.models ?? []
        return models.map { RecordStream(connectionID: sync.connectionID, model: $0, variant: sync.variant) }
    }

    private func note(_ kind: LogOperation.Kind, _ sync: Sync, _ connection: Connection, _ message: String) {
        let log = OperationLog(
            LogOperation(
                scope: sync.scope,
                kind: kind,
                message: message,
                integrationKey: sync.integrationKey,
                connectionID: connection.connectionID,
                subject: sync.title,
                createdAt: services.clock.now
            ),
            sink: services.log,
            clock: services.clock
        )
        log.end(.success)
    }
}
