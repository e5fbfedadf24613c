/// A sync as its author wrote it: a script and how to run it.
public struct SyncDefinition: Sendable, Equatable {
    public var integrationKey: String
    public var name: String
    public var description: String
    public var models: [String]
    public var frequency: Frequency
    public var startsAutomatically: Bool
    /// Whether records that a complete read no longer shows are marked as deleted.
    public var tracksDeletes: Bool
    /// Whether each run is one full read as a whole, without a word of the script about where it begins and ends.
    public var readsEverything: Bool
    /// Whether any number of records may vanish at once without a person confirming it.
    public var allowsMassDeletion: Bool
    public var version: String
    public var scopes: [String]
    /// The JSON Schemas of the models that are known, by name: those that the script could print, and standard models.
    public var schemas: JSONObject
    /// Whether a record that is not what its model says fails the run; otherwise the log tells of it.
    public var isStrict: Bool
    /// Where the records are offered below `/v1`.
    public var endpoints: [ScriptEndpoint]
    /// The types of provider webhooks that its `onWebhook` takes, as the provider names them; `*` stands for all. Empty
    /// when it has no such function.
    public var webhookSubscriptions: [String]
    /// How often to read while the provider pushes; `nil` for the usual.
    public var safetyFrequency: Frequency?
    /// One CommonJS module; see ``ScriptInvocation/code``.
    public var code: String

    public init(
        integrationKey: String,
        name: String,
        description: String = "",
        models: [String],
        frequency: Frequency,
        startsAutomatically: Bool = true,
        tracksDeletes: Bool = false,
        readsEverything: Bool = false,
        allowsMassDeletion: Bool = false,
        version: String = "0.0.1",
        scopes: [String] = [],
        schemas: JSONObject = [:],
        isStrict: Bool = false,
        endpoints: [ScriptEndpoint] = [],
        webhookSubscriptions: [String] = [],
        safetyFrequency: Frequency? = nil,
        code: String
    ) {
        self.integrationKey = integrationKey
        self.name = name
        self.description = description
        self.models = models
        self.frequency = frequency
        self.startsAutomatically = startsAutomatically
        self.tracksDeletes = tracksDeletes
        self.readsEverything = readsEverything
        self.allowsMassDeletion = allowsMassDeletion
        self.version = version
        self.scopes = scopes
        self.schemas = schemas
        self.isStrict = isStrict
        self.endpoints = endpoints
        self.webhookSubscriptions = webhookSubscriptions
        self.safetyFrequency = safetyFrequency
        self.code = code
    }

    /// Whether its `onWebhook` takes provider webhooks of this type. `*` in a subscription stands for any text.
    public func subscribes(to type: String) -> Bool {
        webhookSubscriptions.contains { ProviderWebhookRule.matches($0, type) }
    }

    /// How often it still reads while the provider pushes; `nil` when it takes no provider webhooks.
    public var safetyInterval: Duration? {
        guard !webhookSubscriptions.isEmpty else { return nil }
        let safety = [safetyFrequency, .safety].lazy.compactMap { $0?.interval }.first ?? Frequency.longest
        return max(frequency.interval ?? safety, safety)
    }
}

/// A sync of one connection: its schedule and its place at the provider.
public struct Sync: Sendable, Equatable {
    /// The variant that every sync has.
    public static let base = "base"

    public enum State: String, Sendable {
        case started, paused
    }

    public var id: Int64
    public var scope: EnvironmentScope
    /// The connection's row.
    public var connectionID: Int64
    public var integrationKey: String
    public var name: String
    /// `base` unless the team made a variant.
    public var variant: String
    public var state: State
    public var frequencyOverride: String?
    public var nextRunAt: Timestamp?
    /// Set by a trigger: run once as soon as possible, also while paused.
    public var isRunRequested: Bool
    /// Set with a requested run: a person has confirmed that many records may vanish. Ends with the run.
    public var isMassDeletionConfirmed: Bool
    /// The fencing token: every run has a higher one, and only the highest can write.
    public var runGeneration: Int64
    /// The run that holds the sync now.
    public var runningRunID: Int64?
    /// When the last successful run started.
    public var lastSyncAt: Timestamp?
    public var checkpoint: JSONValue?
    /// Failed runs in a row.
    public var failures: Int
    /// When the provider last sent an event that the sync takes; `nil` also after one of them has failed.
    public var lastEventAt: Timestamp?

    /// `tickets`, or `tickets::eu` for the variant `eu`.
    public var title: String { variant == Self.base ? name : "\(name)::\(variant)" }

    public init(
        id: Int64,
        scope: EnvironmentScope,
        connectionID: Int64,
        integrationKey: String,
        name: String,
        variant: String,
        state: State,
        frequencyOverride: String?,
        nextRunAt: Timestamp?,
        isRunRequested: Bool,
        isMassDeletionConfirmed: Bool,
        runGeneration: Int64,
        runningRunID: Int64?,
        lastSyncAt: Timestamp?,
        checkpoint: JSONValue?,
        failures: Int,
        lastEventAt: Timestamp? = nil
    ) {
        self.id = id
        self.scope = scope
        self.connectionID = connectionID
        self.integrationKey = integrationKey
        self.name = name
        self.variant = variant
        self.state = state
        self.frequencyOverride = frequencyOverride
        self.nextRunAt = nextRunAt
        self.isRunRequested = isRunRequested
        self.isMassDeletionConfirmed = isMassDeletionConfirmed
        self.runGeneration = runGeneration
        self.runningRunID = runningRunID
        self.lastSyncAt = lastSyncAt
        self.checkpoint = checkpoint
        self.failures = failures
        self.lastEventAt = lastEventAt
    }
}

/// One execution of a sync.
public struct SyncRun: Sendable, Equatable {
    public enum Status: String, Sendable {
        case running = "RUNNING"
        case success = "SUCCESS"
        case failed = "ERROR"
        /// A person stopped it, or reset the sync.
        case cancelled = "STOPPED"
        /// The process that ran it ended without a word.
        case abandoned = "ABANDONED"
    }

    public var id: Int64
    public var syncID: Int64
    /// See ``RunFence/generation``.
    public var generation: Int64
    /// Whether no run of this sync had succeeded before.
    public var isInitial: Bool
    public var status: Status
    public var startedAt: Timestamp
    public var endedAt: Timestamp?
    /// What was committed so far, per model.
    public var counts: [String: ChangeCounts]
    /// When the run first changed a record.
    public var firstChangeAt: Timestamp?
    public var checkpointBefore: JSONValue?
    public var error: String?
    /// The operation in the logs.
    public var operationID: String

    public init(
        id: Int64,
        syncID: Int64,
        generation: Int64,
        isInitial: Bool,
        status: Status,
        startedAt: Timestamp,
        endedAt: Timestamp?,
        counts: [String: ChangeCounts],
        firstChangeAt: Timestamp?,
        checkpointBefore: JSONValue?,
        error: String?,
        operationID: String
    ) {
        self.id = id
        self.syncID = syncID
        self.generation = generation
        self.isInitial = isInitial
        self.status = status
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.counts = counts
        self.firstChangeAt = firstChangeAt
        self.checkpointBefore = checkpointBefore
        self.error = error
        self.operationID = operationID
    }

    public var fence: RunFence { RunFence(syncID: syncID, runID: id, generation: generation) }
}

/// How many records were added, updated and deleted, and how many came again unchanged.
public struct ChangeCounts: Sendable, Equatable {
    public var added = 0
    public var updated = 0
    public var deleted = 0
    public var unchanged = 0

    public init(added: Int = 0, updated: Int = 0, deleted: Int = 0, unchanged: Int = 0) {
        self.added = added
        self.updated = updated
        self.deleted = deleted
        self.unchanged = unchanged
    }

    public static func + (left: ChangeCounts, right: ChangeCounts) -> ChangeCounts {
        ChangeCounts(
            added: left.added + right.added,
            updated: left.updated + right.updated,
            deleted: left.deleted + right.deleted,
            unchanged: left.unchanged + right.unchanged
        )
    }

    public var changed: Int { added + updated + deleted }
}
