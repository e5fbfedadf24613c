/// An external API as the catalogue describes it: how to be authorised there and how to call it.
///
/// The names are those of the provider file; texts may hold placeholders such as `${connectionConfig.subdomain}`.
public struct Provider: Sendable {
    /// What a refresh does to the refresh token that it used.
    public enum Rotation: Sendable, Equatable {
        /// The refresh token stays the same.
        case fixed
        /// Each refresh gives a new one, and the old one stays valid.
        case reissue
        /// Each refresh gives a new one, and the old one can be presented again for this long.
        case grace(Duration)
        /// Each refresh uses the old one up.
        case strict
        /// Not known; treated like ``strict``.
        case unknown
    }

    public enum BodyFormat: String, Sendable {
        case form, json, query, xml
    }

    public enum ClientAuthentication: String, Sendable {
        /// `client_id` and `client_secret` as fields of the body.
        case body
        /// The `Authorization` header.
        case basic
        case privateKeyJWT = "private_key_jwt"
        case custom
    }

    /// One field of a form that a person fills in.
    public struct FormField: Sendable {
        public var name: String
        public var title: String
        public var description: String?
        public var example: String?
        /// A regular expression that the whole value must match.
        public var pattern: String?
        public var format: String?
        public var isOptional: Bool
        public var isSecret: Bool
        public var isHidden: Bool
        /// Filled in while connecting: nobody is asked.
        public var isAutomated: Bool
        public var defaultValue: String?
        public var prefix: String?
        public var suffix: String?
        public var choices: [String]?
        public var order: Int?

        public init(
            name: String,
            title: String,
            description: String? = nil,
            example: String? = nil,
            pattern: String? = nil,
            format: String? = nil,
            isOptional: Bool = false,
            isSecret: Bool = false,
            isHidden: Bool = false,
            isAutomated: Bool = false,
            defaultValue: String? = nil,
            prefix: String? = nil,
            suffix: String? = nil,
            choices: [String]? = nil,
            order: Int? = nil
        ) {
            self.name = name
            self.title = title
            self.description = description
            self.example = example
            self.pattern = pattern
            self.format = format
            self.isOptional = isOptional
            self.isSecret = isSecret
            self.isHidden = isHidden
            self.isAutomated = isAutomated
            self.defaultValue = defaultValue
            self.prefix = prefix
            self.suffix = suffix
            self.choices = choices
            self.order = order
        }
    }

    /// How tokens are obtained with OAuth 2.
    public struct OAuth2: Sendable {
        public var authorizationURL: String
        public var authorizationParams: [(name: String, value: String)] = []
        public var authorizationURLReplacements: [(name: String, value: String)] = []
        public var skipsEmptyAuthorizationParams = false
        /// Parts of the authorization URL that are not percent-encoded: `scopes`, `base_url`.
        public var skipEncode: [String] = []
        /// The query stands behind this fragment.
        public var authorizationURLFragment: String?
        public var decodesURL = false
        public var codeParamInCallback = "code"
        public var tokenURL: String
        public var tokenParams: [(name: String, value: JSONValue)] = []
        public var tokenHeaders: [(name: String, value: String)] = []
        public var refreshURL: String?
        /// `nil`: those of the token request.
        public var refreshParams: [(name: String, value: JSONValue)]?
        public var bodyFormat: BodyFormat = .form
        public var clientAuthentication: ClientAuthentication = .body
        public var usesPKCE = true
        public var scopeSeparator = " "
        public var defaultScopes: [String] = []
        public var tokenResponseMetadata: [String] = []
        public var refreshTokenResponseMetadata: [String] = []
        public var redirectURIMetadata: [String] = []
        public var alternateAccessTokenResponsePath: String?
        /// How long before its end an access token is renewed, where the general rule does not suit.
        public var tokenExpirationBuffer: Duration?
        public var expiresInMilliseconds = false
        public var rotation: Rotation = .unknown
        /// `nil`: the integration's own client.
        public var registration: ClientRegistration?

        public init(authorizationURL: String, tokenURL: String) {
            self.authorizationURL = authorizationURL
            self.tokenURL = tokenURL
        }
    }

    /// How the API is called.
    public struct Proxy: Sendable {
        public var baseURL: String?
        public var headers: [(name: String, value: String)] = []
        public var query: [(name: String, value: String)] = []
        public var body: JSONObject?
        public var retry = Retry()
        /// The provider's usual pagination, in the words of the script API.
        public var paginate: JSONObject?
        public var verification: Verification?
        public var forwardsHeadersOnRedirect = false

        public init(baseURL: String? = nil) {
            self.baseURL = baseURL
        }
    }

    /// Where the provider tells how long to wait. Header names are in lower case.
    public struct Retry: Sendable, Equatable {
        /// Headers with the moment when calls are welcome again: seconds or milliseconds since 1970, or a date.
        public var at: [String] = []
        /// Headers with the seconds to wait.
        public var after: [String] = []
        /// The header that is `0` when nothing is left.
        public var remaining: String?
        /// Statuses that mean "try again", in place of the usual ones: `429`, `5xx`, `500-502`.
        public var errorCodes: [String]?
        public var inBody: InBody?

        /// Where the body of an error answer tells when to try again.
        public struct InBody: Sendable, Equatable {
            public var path: String
            /// A regular expression whose first group is the moment or the number of seconds.
            public var pattern: String
            /// Whether the group holds a moment; else it holds seconds.
            public var isMoment: Bool

            public init(path: String, pattern: String, isMoment: Bool) {
                self.path = path
                self.pattern = pattern
                self.isMoment = isMoment
            }
        }

        public init() {}
    }

    /// The request that tells whether credentials work.
    public struct Verification: Sendable {
        public var method: String
        /// Tried in order; one success is enough.
        public var endpoints: [String]
        public var headers: [(name: String, value: String)]
        public var data: JSONValue?
        public var baseURLOverride: String?

        public init(
            method: String = "GET",
            endpoints: [String],
            headers: [(name: String, value: String)] = [],
            data: JSONValue? = nil,
            baseURLOverride: String? = nil
        ) {
            self.method = method
            self.endpoints = endpoints
            self.headers = headers
            self.data = data
            self.baseURLOverride = baseURLOverride
        }
    }

    public var name: String
    public var displayName: String
    public var categories: [String]
    public var docs: String
    public var authMode: AuthMode
    public var oauth2: OAuth2?
    public var oauth1: OAuth1?
    /// The requests that lead to a token, where it takes others than those of OAuth.
    public var tokenExchange: TokenExchange?
    /// What is signed by ourselves.
    public var selfSigned: SelfSigned?
    public var assertion: Assertion?
    public var proxy: Proxy
    /// How its webhooks are received; `nil` when it sends none, or we do not know how.
    public var webhook: ProviderWebhookRule?
    /// What the end user is asked for besides credentials.
    public var connectionConfig: [FormField]
    /// What the end user is asked for as credentials.
    public var credentials: [FormField]
    /// What the developer is asked for when setting the provider up.
    public var integrationConfig: [FormField]
    /// What the end user is asked for once, to build an assertion; never stored.
    public var assertionOption: [FormField] = []
    /// The whole entry as it was written, aliases resolved: what `GET /providers` shows.
    public var entry: JSONObject

    /// The provider over whose file this one's stands.
    public var alias: String? { entry["alias"]?.string }

    public init(
        name: String,
        displayName: String,
        categories: [String] = [],
        docs: String = "",
        authMode: AuthMode,
        oauth2: OAuth2? = nil,
        proxy: Proxy = Proxy(),
        webhook: ProviderWebhookRule? = nil,
        connectionConfig: [FormField] = [],
        credentials: [FormField] = [],
        integrationConfig: [FormField] = [],
        entry: JSONObject = JSONObject()
    ) {
        self.name = name
        self.displayName = displayName
        self.categories = categories
        self.docs = docs
        self.authMode = authMode
        self.oauth2 = oauth2
        self.proxy = proxy
        self.webhook = webhook
        self.connectionConfig = connectionConfig
        self.credentials = credentials
        self.integrationConfig = integrationConfig
        self.entry = entry
    }
}
