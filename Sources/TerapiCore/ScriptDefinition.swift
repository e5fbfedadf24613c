/// Everything that the integrations of one folder define.
public struct ScriptDefinitions: Sendable, Equatable {
    public var syncs: [SyncDefinition]
    public var actions: [ActionDefinition]
    public var onEvents: [OnEventDefinition]

    public init(
        syncs: [SyncDefinition] = [],
        actions: [ActionDefinition] = [],
        onEvents: [OnEventDefinition] = []
    ) {
        self.syncs = syncs
        self.actions = actions
        self.onEvents = onEvents
    }
}

/// A script that is called on request and answers its caller.
public struct ActionDefinition: Sendable, Equatable {
    public var integrationKey: String
    public var name: String
    public var description: String
    public var version: String
    public var scopes: [String]
    /// JSON Schemas, where the script declares what it takes and gives in a form that can be printed.
    public var input: JSONValue?
    public var output: JSONValue?
    /// Where the action is offered below `/v1`.
    public var endpoints: [ScriptEndpoint]
    /// One CommonJS module; see ``ScriptInvocation/code``.
    public var code: String

    public init(
        integrationKey: String,
        name: String,
        description: String = "",
        version: String = "0.0.1",
        scopes: [String] = [],
        input: JSONValue? = nil,
        output: JSONValue? = nil,
        endpoints: [ScriptEndpoint] = [],
        code: String
    ) {
        self.integrationKey = integrationKey
        self.name = name
        self.description = description
        self.version = version
        self.scopes = scopes
        self.input = input
        self.output = output
        self.endpoints = endpoints
        self.code = code
    }
}

/// A script that runs when something happens to a connection.
public struct OnEventDefinition: Sendable, Equatable {
    public enum Event: String, Sendable, CaseIterable {
        case postConnectionCreation = "post-connection-creation"
        case preConnectionDeletion = "pre-connection-deletion"
        case validateConnection = "validate-connection"
    }

    public var integrationKey: String
    public var name: String
    public var description: String
    public var event: Event
    /// One CommonJS module; see ``ScriptInvocation/code``.
    public var code: String

    public init(integrationKey: String, name: String, description: String = "", event: Event, code: String) {
        self.integrationKey = integrationKey
        self.name = name
        self.description = description
        self.event = event
        self.code = code
    }
}
