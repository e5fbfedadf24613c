/// Takes in scripts that strangers wrote: reads what they declare, compiles them, and makes them ready to run. Nothing
/// of a script runs in the server's own process.
public protocol ScriptWorkshop: Sendable {
    /// Asks scripts what they declare, in a script host of their environment.
    /// - Parameter modules: the texts of the modules that the scripts name by hash.
    /// - Throws: `TerapiError(.invalidDefinition)` with every mistake of every script: `file:line:column: …`.
    func inspect(
        _ scripts: [SentScript],
        modules: [String: String],
        in scope: EnvironmentScope
    ) async throws -> [InspectedScript]

    /// Makes kept scripts ready to run.
    /// - Throws: `TerapiError(.invalidDefinition)` when one is not what this version can run.
    func load(_ scripts: [DeployedScript], modules: [String: String]) throws -> ScriptDefinitions

    /// Compiles one script by itself: it may import what hosts provide and shared packages, and no file.
    /// - Throws: `TerapiError(.invalidDefinition)` with the place of each mistake, `.invalidConfiguration` when the
    ///   compiler is missing.
    func compile(_ script: SentScript) async throws -> (script: SentScript, modules: [String: String])

    /// A runnable script's code without what the server has added to it.
    func shownCode(_ code: String) -> String
}

/// A sent script that has told what it is.
public struct InspectedScript: Sendable {
    public var script: SentScript
    public var declared: JSONObject

    public init(script: SentScript, declared: JSONObject) {
        self.script = script
        self.declared = declared
    }

    /// The script as it is kept.
    public func kept(as source: DeployedScript.Source, at moment: Timestamp) -> DeployedScript {
        DeployedScript(
            id: script.id,
            language: script.language,
            source: source,
            declared: declared,
            code: script.code,
            sourceMap: script.sourceMap,
            modules: script.modules,
            deployedAt: moment
        )
    }
}
