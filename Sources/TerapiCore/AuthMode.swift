/// How a connection is authorised.
public enum AuthMode: String, Sendable, CaseIterable {
    case oauth2 = "OAUTH2"
    case apiKey = "API_KEY"
    case oauth2ClientCredentials = "OAUTH2_CC"
    case basic = "BASIC"
    case twoStep = "TWO_STEP"
    case mcpOAuth2 = "MCP_OAUTH2"
    case mcpOAuth2Generic = "MCP_OAUTH2_GENERIC"
    case jwt = "JWT"
    case oauth1 = "OAUTH1"
    case bill = "BILL"
    case none = "NONE"
    case awsSigV4 = "AWS_SIGV4"
    case installPlugin = "INSTALL_PLUGIN"
    case signature = "SIGNATURE"
    case app = "APP"
    case custom = "CUSTOM"
    case tba = "TBA"

    /// Whether connections of this mode can be made today.
    public var isSupported: Bool {
        switch self {
        case .installPlugin, .custom: false
        default: true
        }
    }

    /// Whether the end user agrees at the provider, in a browser.
    public var needsBrowser: Bool {
        switch self {
        case .oauth2, .mcpOAuth2, .mcpOAuth2Generic, .oauth1, .app: true
        default: false
        }
    }

    /// The `type` of the credentials of such a connection.
    public var credentialType: String {
        switch self {
        case .mcpOAuth2, .mcpOAuth2Generic: Self.oauth2.rawValue
        default: rawValue
        }
    }

    /// The `type` of what an integration needs to be known by at the provider; `nil` when it needs nothing.
    public var integrationCredentialType: String? {
        switch self {
        case .oauth2, .oauth1, .tba, .app, .custom: rawValue
        case .mcpOAuth2: Self.oauth2.rawValue
        default: nil
        }
    }
}
