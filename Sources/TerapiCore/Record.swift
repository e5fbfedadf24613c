/// What happened last to a record.
public enum RecordAction: String, Sendable, CaseIterable {
    case added = "ADDED"
    case updated = "UPDATED"
    case deleted = "DELETED"
}

/// Where records are kept: one connection, one model, one variant.
public struct RecordStream: Sendable, Hashable {
    /// The connection's row.
    public var connectionID: Int64
    /// `Ticket`, or `Ticket::eu` for the variant `eu`.
    public var model: String

    public init(connectionID: Int64, model: String, variant: String = "base") {
        self.connectionID = connectionID
        self.model = variant == "base" ? model : "\(model)::\(variant)"
    }
}

/// Changes that are committed together, with the checkpoint that they bring.
public struct RecordBatch: Sendable {
    public enum CheckpointChange: Sendable, Equatable {
        case set(JSONValue)
        case clear
    }

    /// The run that writes; it must still be the sync's latest.
    public var run: RunFence
    public var scope: EnvironmentScope
    /// In the order in which the script made them.
    public var changes: [RecordChange]
    public var checkpoint: CheckpointChange?

    public init(
        run: RunFence,
        scope: EnvironmentScope,
        changes: [RecordChange] = [],
        checkpoint: CheckpointChange? = nil
    ) {
        self.run = run
        self.scope = scope
        self.changes = changes
        self.checkpoint = checkpoint
    }
}

/// Who writes: every write of a run checks in its own transaction that no later run has begun.
public struct RunFence: Sendable, Hashable {
    public var syncID: Int64
    public var runID: Int64
    /// Below zero for the run of a webhook function: it stands beside the sync's own runs, and checks only that it has
    /// not ended.
    public var generation: Int64

    public var isWebhook: Bool { generation < 0 }

    public init(syncID: Int64, runID: Int64, generation: Int64) {
        self.syncID = syncID
        self.runID = runID
        self.generation = generation
    }
}

/// Records of one stream that are saved, merged or deleted.
public struct RecordChange: Sendable {
    public var kind: ScriptRecordChange.Kind
    public var stream: RecordStream
    /// The last one wins where an id is repeated.
    public var ids: [String]
    /// JSON objects with a string `id` each, at the same index as in `ids`.
    public var documents: [ArraySlice<UInt8>]
    /// The generation of the full read whose records these are; `nil` when deletions are not detected.
    public var seenGeneration: Int64?
    /// Leaves alone what others have changed since; `nil` overrides it.
    public var mark: MergingMark?

    public init(
        kind: ScriptRecordChange.Kind,
        stream: RecordStream,
        ids: [String],
        documents: [ArraySlice<UInt8>],
        seenGeneration: Int64? = nil,
        mark: MergingMark? = nil
    ) {
        self.kind = kind
        self.stream = stream
        self.ids = ids
        self.documents = documents
        self.seenGeneration = seenGeneration
        self.mark = mark
    }
}

/// A customer's question for records.
public struct RecordQuery: Sendable {
    public var scope: EnvironmentScope
    public var integrationKey: String
    public var connectionID: String
    public var model: String
    public var variant: String
    /// The text that a caller sent; checked where the stream is known.
    public var cursor: String?
    public var limit: Int
    /// The actions asked for; empty means all.
    public var actions: Set<RecordAction>
    /// Inclusive.
    public var modifiedAfter: Timestamp?
    /// Empty means all.
    public var ids: [String]

    public init(
        scope: EnvironmentScope,
        integrationKey: String,
        connectionID: String,
        model: String,
        variant: String = "base",
        cursor: String? = nil,
        limit: Int = 100,
        actions: Set<RecordAction> = [],
        modifiedAfter: Timestamp? = nil,
        ids: [String] = []
    ) {
        self.scope = scope
        self.integrationKey = integrationKey
        self.connectionID = connectionID
        self.model = model
        self.variant = variant
        self.cursor = cursor
        self.limit = limit
        self.actions = actions
        self.modifiedAfter = modifiedAfter
        self.ids = ids
    }
}

/// A page of records as it goes out.
public struct RecordPage: Sendable {
    /// `{"records":[…],"next_cursor":…}`, with `"rewound":true` when the cursor was of an older history.
    public var json: [UInt8]
    public var count: Int
    public var nextCursor: String?

    public init(json: [UInt8], count: Int, nextCursor: String?) {
        self.json = json
        self.count = count
        self.nextCursor = nextCursor
    }
}

/// What the end of a full read found.
public enum DeletionOutcome: Sendable, Equatable {
    /// The ids that were marked, in the order of their positions.
    case deleted([String])
    /// Too many records would vanish at once: nothing was deleted, and a person must confirm.
    case refused(vanishing: Int, of: Int)
}
