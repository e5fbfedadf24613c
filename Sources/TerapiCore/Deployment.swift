/// Which script: its kind and name within an integration.
public struct ScriptID: Sendable, Hashable, Comparable {
    public var integrationKey: String
    public var kind: ScriptInvocation.Kind
    public var name: String

    public init(integrationKey: String, kind: ScriptInvocation.Kind, name: String) {
        self.integrationKey = integrationKey
        self.kind = kind
        self.name = name
    }

    /// Where the script stands in a folder of integrations, without suffix: `github/syncs/issues`.
    public var path: String { "\(integrationKey)/\(kind.folder)/\(name)" }

    public static func < (left: ScriptID, right: ScriptID) -> Bool { left.path < right.path }
}

extension ScriptInvocation.Kind {
    /// The kinds that a person writes.
    public static let written: [Self] = [.sync, .action, .onEvent]

    /// The folder of an integration that holds scripts of this kind.
    public var folder: String {
        switch self {
        case .action: "actions"
        case .onEvent: "on-events"
        case .sync, .describe: "syncs"
        }
    }
}

/// What an author's file is written in, by its suffix.
public enum ScriptLanguage: String, Sendable, CaseIterable {
    case typeScript = "ts"
    case javaScript = "js"
    case yaml
    case yml
}

/// A script as somebody sends it to a server: bundled, and not believed yet.
public struct SentScript: Sendable {
    public var id: ScriptID
    /// What the author wrote it in. For YAML the code is the file; otherwise it is a bundle.
    public var language: ScriptLanguage
    /// A CommonJS module that imports nothing but what hosts provide and ``modules``; or the text in YAML.
    public var code: String
    public var sourceMap: String?
    /// The modules that the code requires by name: the hash of each one's text.
    public var modules: [String: String]

    public init(
        id: ScriptID,
        language: ScriptLanguage,
        code: String,
        sourceMap: String? = nil,
        modules: [String: String] = [:]
    ) {
        self.id = id
        self.language = language
        self.code = code
        self.sourceMap = sourceMap
        self.modules = modules
    }
}

/// A script that the server keeps for one environment.
public struct DeployedScript: Sendable, Equatable {
    /// How a script came: with a whole folder, alone, or with Terapi itself. Only what came with a folder is missed in one.
    public enum Source: String, Sendable {
        case repo, standalone, catalog
    }

    public var id: ScriptID
    public var language: ScriptLanguage
    public var source: Source
    /// What the script says about itself, as its host told.
    public var declared: JSONObject
    public var code: String
    public var sourceMap: String?
    public var modules: [String: String]
    /// When it came in this form.
    public var deployedAt: Timestamp

    public init(
        id: ScriptID,
        language: ScriptLanguage,
        source: Source,
        declared: JSONObject,
        code: String,
        sourceMap: String? = nil,
        modules: [String: String] = [:],
        deployedAt: Timestamp
    ) {
        self.id = id
        self.language = language
        self.source = source
        self.declared = declared
        self.code = code
        self.sourceMap = sourceMap
        self.modules = modules
        self.deployedAt = deployedAt
    }
}

/// One state of an environment's scripts. It never changes: what goes back to an older one is a new deployment.
public struct Deployment: Sendable, Equatable {
    public enum Origin: String, Sendable {
        case deploy, rollback, removal
    }

    /// Counted from 1 in each environment.
    public var version: Int64
    public var origin: Origin
    /// For a rollback, the version whose scripts it has.
    public var restoredVersion: Int64?
    public var scriptCount: Int
    public var createdAt: Timestamp

    public init(version: Int64, origin: Origin, restoredVersion: Int64?, scriptCount: Int, createdAt: Timestamp) {
        self.version = version
        self.origin = origin
        self.restoredVersion = restoredVersion
        self.scriptCount = scriptCount
        self.createdAt = createdAt
    }
}

/// A deployment with everything that is needed to run it.
public struct DeployedScripts: Sendable, Equatable {
    public var deployment: Deployment
    /// In the order of their ids.
    public var scripts: [DeployedScript]
    /// The texts of the modules that the scripts share, by hash.
    public var modules: [String: String]

    public init(deployment: Deployment, scripts: [DeployedScript], modules: [String: String]) {
        self.deployment = deployment
        self.scripts = scripts
        self.modules = modules
    }
}

/// Where a script that can be run comes from.
public struct ScriptFacts: Sendable, Equatable {
    public var source: DeployedScript.Source
    /// `nil` for a script in the server's own folder of integrations.
    public var deployedAt: Timestamp?

    public init(source: DeployedScript.Source, deployedAt: Timestamp?) {
        self.source = source
        self.deployedAt = deployedAt
    }
}

/// What a deployment makes different.
public struct DeployDifference: Sendable, Equatable {
    public struct Change: Sendable, Equatable {
        public var id: ScriptID
        /// What is different: `code`, or the name of something that the script declares.
        public var parts: [String]

        public init(id: ScriptID, parts: [String]) {
            self.id = id
            self.parts = parts
        }
    }

    public struct Removal: Sendable, Equatable {
        public var id: ScriptID
        /// Connections on which the sync would end; its checkpoints and runs go with it.
        public var connections: Int
        /// Records that nothing reads any more, by model. They would be deleted.
        public var records: [String: Int]

        public init(id: ScriptID, connections: Int = 0, records: [String: Int] = [:]) {
            self.id = id
            self.connections = connections
            self.records = records
        }
    }

    /// The version that it was compared with; `nil` when there was none.
    public var version: Int64?
    public var added: [ScriptID] = []
    public var changed: [Change] = []
    public var removed: [Removal] = []
    /// Missing among what was sent, and staying because nobody asked to prune.
    public var kept: [Removal] = []
    public var unchangedCount = 0
    /// Integrations of scripts that the environment does not have yet.
    public var unknownIntegrations: [String] = []

    public init(version: Int64?) {
        self.version = version
    }

    public var isEmpty: Bool { added.isEmpty && changed.isEmpty && removed.isEmpty }
}

/// A piece of work on one function that its caller asks about later.
public struct FunctionJob: Sendable {
    public enum Kind: String, Sendable {
        case dryrun, deployment
    }

    public enum Status: String, Sendable {
        case waiting, running, success, failed
    }

    public var id: String
    public var scope: EnvironmentScope
    public var kind: Kind
    public var status: Status
    public var result: JSONValue?
    public var error: TerapiError?
    public var createdAt: Timestamp
    public var endedAt: Timestamp?

    public init(id: String, scope: EnvironmentScope, kind: Kind, createdAt: Timestamp) {
        self.id = id
        self.scope = scope
        self.kind = kind
        self.createdAt = createdAt
        status = .waiting
    }
}
