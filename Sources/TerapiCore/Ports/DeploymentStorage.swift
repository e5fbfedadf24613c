/// The scripts that were deployed to each environment, and what they were before.
public protocol DeploymentStorage: Sendable {
    /// The deployment in force; `nil` when nothing was ever deployed.
    func currentDeployment(in scope: EnvironmentScope) async throws -> DeployedScripts?

    /// - Returns: `nil` when there is no such version, or it is not kept any more.
    func deployment(version: Int64, in scope: EnvironmentScope) async throws -> DeployedScripts?

    /// Those that are kept, the newest first.
    func deployments(in scope: EnvironmentScope) async throws -> [Deployment]

    /// Puts a deployment in force, and deletes what it leaves nobody to read, in one transaction.
    /// - Parameter base: the version that it was made from; `nil` for none.
    /// - Returns: `nil` when another version is in force by now; nothing is written then.
    func deploy(_ deployment: NewDeployment, over base: Int64?, now: Timestamp) async throws -> Deployment?

    /// What would be deleted with syncs: the connections that have each, and records by model.
    func reach(of syncs: [ScriptID], in scope: EnvironmentScope) async throws -> [ScriptID: Int]
    func recordCounts(of models: [ModelID], in scope: EnvironmentScope) async throws -> [ModelID: Int]
}

/// A model of an integration, on all of its connections and in all variants.
public struct ModelID: Sendable, Hashable {
    public var integrationKey: String
    public var model: String

    public init(integrationKey: String, model: String) {
        self.integrationKey = integrationKey
        self.model = model
    }
}

/// What is to be in force next.
public struct NewDeployment: Sendable {
    public var scope: EnvironmentScope
    public var origin: Deployment.Origin
    public var restoredVersion: Int64?
    public var scripts: [DeployedScript]
    public var modules: [String: String]
    /// Syncs that end for good, with their checkpoints and runs.
    public var removedSyncs: [ScriptID]
    /// Models whose records are deleted.
    public var removedModels: [ModelID]
    /// How many deployments are kept, this one included.
    public var keptCount: Int

    public init(
        scope: EnvironmentScope,
        origin: Deployment.Origin,
        restoredVersion: Int64? = nil,
        scripts: [DeployedScript],
        modules: [String: String],
        removedSyncs: [ScriptID] = [],
        removedModels: [ModelID] = [],
        keptCount: Int
    ) {
        self.scope = scope
        self.origin = origin
        self.restoredVersion = restoredVersion
        self.scripts = scripts
        self.modules = modules
        self.removedSyncs = removedSyncs
        self.removedModels = removedModels
        self.keptCount = keptCount
    }
}
