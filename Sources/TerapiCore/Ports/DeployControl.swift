/// Puts scripts in force on request, and back.
public protocol DeployControl: Sendable {
    /// What ``deploy(_:)`` would do. Changes nothing.
    /// - Throws: as ``deploy(_:)``.
    func difference(of request: DeployRequest) async throws -> DeployDifference

    /// Puts scripts in force at once. Syncs that are new begin on the connections that exist; those that changed keep
    /// their place.
    /// - Throws: `TerapiError`: `.invalidDefinition` with every mistake, `.conflict` when another version is in force
    ///   than the caller expects.
    func deploy(_ request: DeployRequest) async throws -> DeployOutcome

    /// Puts the scripts of an earlier deployment in force, as a new one. Deletes no records: syncs that the earlier
    /// deployment does not have stop, and keep their place.
    /// - Parameter version: `nil` for the one before the one in force; several in a row go further back.
    /// - Throws: `TerapiError(.notFound)` when it is not kept.
    func rollback(to version: Int64?, in scope: EnvironmentScope) async throws -> DeployOutcome

    /// Those that are kept, the newest, which is in force, first.
    func deployments(in scope: EnvironmentScope) async throws -> [Deployment]
}

/// Scripts to put in force.
public struct DeployRequest: Sendable {
    public var scope: EnvironmentScope
    public var scripts: [SentScript]
    /// The texts of shared modules by hash.
    public var modules: [String: String]
    public var source: DeployedScript.Source
    /// Whether scripts that came with a folder before and are not among these are removed, with their records.
    public var prunes: Bool
    /// The version that the caller has seen in force; 0 for none, `nil` for any.
    public var expectedVersion: Int64?

    public init(
        scope: EnvironmentScope,
        scripts: [SentScript],
        modules: [String: String] = [:],
        source: DeployedScript.Source = .repo,
        prunes: Bool = false,
        expectedVersion: Int64? = nil
    ) {
        self.scope = scope
        self.scripts = scripts
        self.modules = modules
        self.source = source
        self.prunes = prunes
        self.expectedVersion = expectedVersion
    }
}

/// What became of a wish to deploy.
public struct DeployOutcome: Sendable {
    /// The deployment in force; `nil` when there was none and nothing to deploy.
    public var deployment: Deployment?
    /// Compared with what was in force before; empty when nothing had changed and no version was made.
    public var difference: DeployDifference

    public init(deployment: Deployment?, difference: DeployDifference) {
        self.deployment = deployment
        self.difference = difference
    }
}

/// Single functions: what they are, and trying and changing them one at a time.
public protocol FunctionControl: Sendable {
    func facts(of script: ScriptID, in scope: EnvironmentScope) -> ScriptFacts

    /// The code that runs; `nil` when there is no such script.
    func code(of script: ScriptID, in scope: EnvironmentScope) -> String?

    /// Removes a function that came alone, with what only it has saved.
    /// - Throws: `TerapiError`: `.notFound`, `.functionManagedByDeploy` when it came with a folder.
    func remove(_ script: ScriptID, in scope: EnvironmentScope) async throws

    /// What ships for a provider, enabled or not, as functions of an integration.
    func templates(
        of provider: String,
        for integrationKey: String,
        in scope: EnvironmentScope
    ) async throws -> ScriptDefinitions

    /// A shipped function as its author wrote it; `nil` when there is none.
    func templateText(of script: ScriptID, provider: String) -> String?

    /// Enables a shipped function for an integration, with the text that ships now, or disables it. A sync that is disabled
    /// stops and keeps its place and its records.
    /// - Throws: `TerapiError`: `.notFound`, `.functionManagedByDeploy` for disabling what did not come with Terapi.
    func setEnabled(_ isEnabled: Bool, _ script: ScriptID, provider: String, in scope: EnvironmentScope) async throws

    /// - Returns: the code as it would run.
    /// - Throws: `TerapiError(.invalidDefinition)` with the place of each mistake.
    func compile(_ code: String) async throws -> String

    /// Begins to try a script on a real connection. Nothing is kept of what it saves.
    func begin(_ dryrun: DryrunRequest) throws -> FunctionJob

    /// Begins to compile a script and to put it in force.
    func beginDeployment(of script: SentScript, in scope: EnvironmentScope) throws -> FunctionJob

    /// - Returns: `nil` when there is none, it ended more than an hour ago, or the server has started since.
    func job(_ id: String, _ kind: FunctionJob.Kind, in scope: EnvironmentScope) -> FunctionJob?
}

/// A wish to try a script that need not be deployed.
public struct DryrunRequest: Sendable {
    public var scope: EnvironmentScope
    public var connectionID: String
    /// Not compiled yet.
    public var script: SentScript
    public var input: JSONValue?
    /// What the script begins with in place of the connection's own.
    public var metadata: JSONObject?
    public var checkpoint: JSONValue?

    public init(
        scope: EnvironmentScope,
        connectionID: String,
        script: SentScript,
        input: JSONValue? = nil,
        metadata: JSONObject? = nil,
        checkpoint: JSONValue? = nil
    ) {
        self.scope = scope
        self.connectionID = connectionID
        self.script = script
        self.input = input
        self.metadata = metadata
        self.checkpoint = checkpoint
    }
}
