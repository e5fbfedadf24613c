import HTTPTypes
import Hummingbird
import TerapiCore

/// Running and watching syncs.
struct SyncRoutes: Sendable {
    let syncs: any SyncControl

    private enum OldMode: String, CaseIterable {
        case incremental
        case fullRefresh = "full_refresh"
        case fullRefreshAndClearCache = "full_refresh_and_clear_cache"
    }

    func trigger(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let selection = try readSelection(call, &body)
        let options = body.nested("opts") { reader in
            (
                reset: reader.flag("reset") ?? false,
                emptyCache: reader.flag("emptyCache") ?? false,
                confirmsDeletions: reader.flag("confirm_deletions") ?? false
            )
        }
        let oldMode = body.text("sync_mode")
        let fullResync = body.flag("full_resync")
        if options != nil, oldMode != nil || fullResync != nil {
            body.refuse("opts", code: "invalid_value", "Leave out sync_mode and full_resync, which opts has replaced.")
        }
        let mode = oldMode.flatMap(OldMode.init)
        if oldMode != nil, mode == nil {
            let allowed = OldMode.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
            body.refuse("sync_mode", code: "invalid_enum_value", "Expected one of \(allowed).")
        }
        try body.finish()

        let fromMode = (
            reset: fullResync == true || mode == .fullRefresh || mode == .fullRefreshAndClearCache,
            emptyCache: mode == .fullRefreshAndClearCache,
            confirmsDeletions: false
        )
        let (reset, emptyCache, confirmsDeletions) = options ?? fromMode
        try await syncs.trigger(
            selection,
            reset: reset,
            emptyCache: reset && emptyCache,
            confirmsMassDeletion: confirmsDeletions
        )
        return .success
    }

    func start(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let selection = try readSelection(call, &body)
        try body.finish()

        try await syncs.start(selection)
        return .success
    }

    func pause(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let selection = try readSelection(call, &body)
        try body.finish()

        try await syncs.pause(selection)
        return .success
    }

    // The integration and the connection may also come as headers.
    private func readSelection(_ call: Call, _ body: inout BodyReader) throws -> SyncSelection {
        let integrationKey =
            body.text("provider_config_key", .integrationKey) ?? call.request.headers[.providerConfigKey]
        let connectionID = body.text("connection_id", .connectionID) ?? call.request.headers[.connectionID]
        let names = body.syncNames("syncs")
        guard let integrationKey else {
            throw TerapiError(.missingProviderConfigKey, "The field provider_config_key is missing.")
        }
        return SyncSelection(
            scope: try call.scope, integrationKey: integrationKey, connectionID: connectionID, names: names
        )
    }

    func status(_ call: Call) async throws -> Response {
        var query = try call.query()
        let integrationKey = query.requiredText("provider_config_key", .integrationKey)
        let connectionID = query.text("connection_id", .connectionID)
        let text = query.requiredText("syncs", .text(1...65_536))
        let names = text == "*" ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let parts = names.flatMap { $0.split(separator: "::", maxSplits: 1, omittingEmptySubsequences: false) }
        if !parts.allSatisfy({ TextRule.syncName.problem(with: String($0)) == nil }), !text.isEmpty {
            query.refuse(
                "syncs", "invalid_format", "Expected \"*\" or syncs as \"name\" or \"name::variant\", joined by commas."
            )
        }
        try query.finish()

        let selection = SyncSelection(
            scope: try call.scope, integrationKey: integrationKey, connectionID: connectionID, names: names
        )
        return .json(["syncs": .array(try await syncs.status(selection).map(\.json))])
    }

    func createVariant(_ call: Call) async throws -> Response {
        let sync = try await syncs.createVariant(readVariant(call))
        return .json([
            "id": .string(String(sync.id)), "name": .string(sync.name), "variant": .string(sync.variant),
        ])
    }

    func deleteVariant(_ call: Call) async throws -> Response {
        try await syncs.deleteVariant(readVariant(call))
        return .success
    }

    private func readVariant(_ call: Call) async throws -> SyncVariant {
        let syncName = try call.parameter("name", .syncName)
        let name = try call.parameter("variant", .syncName)
        var body = try await call.body()
        let integrationKey = body.requiredText("provider_config_key", .integrationKey)
        let connectionID = body.requiredText("connection_id", .connectionID)
        try body.finish()
        guard name != Sync.base else {
            throw TerapiError(.invalidVariant, "\"\(Sync.base)\" is the variant that every sync has.")
        }
        return SyncVariant(
            scope: try call.scope,
            integrationKey: integrationKey,
            connectionID: connectionID,
            syncName: syncName,
            name: name
        )
    }

    func setFrequency(_ call: Call) async throws -> Response {
        var body = try await call.body()
        let integrationKey = body.requiredText("provider_config_key", .integrationKey)
        let connectionID = body.requiredText("connection_id", .connectionID)
        let name = body.requiredText("sync_name", .syncName)
        let variant = body.text("sync_variant", .syncName)
        if !body.has("frequency") {
            body.refuse("frequency", code: "invalid_type", "Required; null takes the sync's own frequency again.")
        }
        var frequency: Frequency?
        if let text = body.text("frequency") {
            do {
                frequency = try Frequency(text)
            } catch let error as TerapiError {
                body.refuse("frequency", code: "invalid_format", error.message)
            }
        }
        try body.finish()

        let selection = SyncSelection(
            scope: try call.scope,
            integrationKey: integrationKey,
            connectionID: connectionID,
            names: [variant.map { "\(name)::\($0)" } ?? name]
        )
        return .json(["frequency": .string(try await syncs.setFrequency(frequency, of: selection))])
    }
}

extension SyncStatus {
    fileprivate var json: JSONValue {
        var json = JSONObject([
            ("id", .string(String(sync.id))),
            ("connection_id", .string(connectionID)),
            ("name", .string(sync.name)),
            ("variant", .string(sync.variant)),
            ("type", .string(sync.lastSyncAt == nil ? "INITIAL" : "INCREMENTAL")),
            ("status", .string(status)),
            ("nextScheduledSyncAt", JSONValue(sync.state == .paused ? nil : sync.nextRunAt)),
            ("frequency", .string(frequency)),
            ("latestResult", .object(latestResult)),
            ("latestExecutionStatus", JSONValue(latestRun?.status.rawValue)),
            (
                "recordCount",
                .object(JSONObject(recordCounts.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }))
            ),
            ("checkpoint", sync.checkpoint ?? .null),
            ("backfill", backfill.map(Self.progress(of:)) ?? .null),
        ])
        if let endedAt = latestRun?.endedAt { json["finishedAt"] = JSONValue(endedAt) }
        return .object(json)
    }

    private static func progress(of backfill: Backfill) -> JSONValue {
        [
            "from": JSONValue(backfill.from),
            "until": JSONValue(backfill.until),
            "reached": JSONValue(backfill.reached),
            "windows": JSONValue(backfill.windows),
            "windows_done": JSONValue(backfill.windowsDone),
            "percent": JSONValue(backfill.percent),
            "started_at": JSONValue(backfill.startedAt),
            "finished_at": JSONValue(backfill.finishedAt),
        ]
    }

    private var latestResult: JSONObject {
        let counts = latestRun?.counts ?? [:]
        return JSONObject(
            counts.sorted { $0.key < $1.key }.map { model, count in
                (
                    model,
                    [
                        "added": JSONValue(count.added), "updated": JSONValue(count.updated),
                        "deleted": JSONValue(count.deleted),
                    ]
                )
            }
        )
    }
}
