/// Runs integration scripts outside the server's process.
public protocol ScriptRuntime: Sendable {
    /// Runs one script to its end.
    ///
    /// Cancelling the task stops the script: at its next call at the latest, else by ending its process.
    /// - Returns: what the script's `exec` returned, as JSON bytes (`null` for a sync).
    /// - Throws: `TerapiError` with `.scriptError` (the script threw; the payload holds `type`, `message`, `payload?`,
    ///   `location?`), `.scriptLimitExceeded` (a limit of CPU, memory or time, named in the message),
    ///   `.scriptOutputTooLarge`, `.scriptHostLost` (the run's process ended through no fault of the run: what its calls
    ///   did is done, and it may be run again where that does no harm), or the error that a call into `functions` threw
    ///   when the script did not catch it, unchanged.
    func run(_ invocation: ScriptInvocation, functions: any ScriptFunctions) async throws -> [UInt8]
}

/// One run of one script.
public struct ScriptInvocation: Sendable {
    public enum Kind: String, Sendable {
        case sync, action
        case onEvent = "on-event"
        /// Runs nothing: the output is what the script declares.
        case describe
    }

    /// Runs of different environments never share a process.
    public var environmentID: Int64
    public var kind: Kind

    /// Integration and script, for messages: `github/issues`.
    public var name: String

    /// One CommonJS module as text. It has been bundled already: it imports nothing but what the host provides.
    public var code: String

    /// What the script sees as properties: `connectionId`, `providerConfigKey`, `provider`, `lastSyncDate`, `variant`.
    public var properties: JSONObject

    /// The second argument of `exec`.
    public var input: JSONValue?

    /// The longest time that the run may take.
    public var timeout: Duration

    public init(
        environmentID: Int64,
        kind: Kind,
        name: String,
        code: String,
        properties: JSONObject,
        input: JSONValue? = nil,
        timeout: Duration
    ) {
        self.environmentID = environmentID
        self.kind = kind
        self.name = name
        self.code = code
        self.properties = properties
        self.input = input
        self.timeout = timeout
    }
}

/// What a running script asks of the server. Every call arrives here; the script itself can reach nothing else.
public protocol ScriptFunctions: Sendable {
    /// An HTTP request through the connection, or without it for `uncontrolledFetch`.
    func send(_ request: ScriptRequest) async throws -> ScriptResponse

    /// Takes records of one model. `documents` are whole JSON objects, each with a string `id` equal to `ids` at the
    /// same index. Returns when they are accepted, which may be before they are committed.
    func change(_ change: ScriptRecordChange) async throws

    /// Any other call of the script API (`getConnection`, `saveCheckpoint`, `log` …) with its arguments as a JSON array.
    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue
}

/// A request as a script wrote it; the server adds base URL and credentials.
public struct ScriptRequest: Sendable {
    public var method: String
    /// A path, or a whole URL.
    public var endpoint: String
    public var baseURLOverride: String?
    /// Query parameters in their order, already turned into text.
    public var query: [(name: String, value: String)]
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]?
    /// How often to try again after a failure that allows it.
    public var retries: Int
    public var retryOn: [Int]
    /// Headers of the answer that tell when to try again, a moment or seconds; names in lower case.
    public var retryHeaders: [String]
    /// `false` for `uncontrolledFetch`: no base URL and no credentials of the connection.
    public var isAuthorized: Bool

    public init(
        method: String,
        endpoint: String,
        baseURLOverride: String? = nil,
        query: [(name: String, value: String)] = [],
        headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil,
        retries: Int = 0,
        retryOn: [Int] = [],
        retryHeaders: [String] = [],
        isAuthorized: Bool = true
    ) {
        self.method = method
        self.endpoint = endpoint
        self.baseURLOverride = baseURLOverride
        self.query = query
        self.headers = headers
        self.body = body
        self.retries = retries
        self.retryOn = retryOn
        self.retryHeaders = retryHeaders
        self.isAuthorized = isAuthorized
    }
}

/// A provider's answer. A status of 400 or more is an answer too: the prelude turns it into the script's exception.
public struct ScriptResponse: Sendable {
    public var status: Int
    /// Names in lower case.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    public init(status: Int, headers: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Records that a script hands over in one call.
public struct ScriptRecordChange: Sendable {
    public enum Kind: String, Sendable {
        case save, update, delete
    }

    public var kind: Kind
    public var model: String
    public var ids: [String]
    /// JSON objects, byte for byte as `JSON.stringify` printed them; slices of one shared buffer.
    public var documents: [ArraySlice<UInt8>]
    /// Where the reading goes on after these records. `nil` leaves the sync's checkpoint as it is.
    public var checkpoint: JSONValue?

    public init(kind: Kind, model: String, ids: [String], documents: [ArraySlice<UInt8>]) {
        self.kind = kind
        self.model = model
        self.ids = ids
        self.documents = documents
    }
}
