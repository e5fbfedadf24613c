/// An external API as the catalogue describes it.
public struct Provider: Sendable {
    public var name: String
    public var displayName: String
    public var authMode: AuthMode

    public init(name: String, displayName: String, authMode: AuthMode) {
        self.name = name
        self.displayName = displayName
        self.authMode = authMode
    }
}

/// How a connection is authorised.
public enum AuthMode: String, Sendable, CaseIterable {
    case oauth2 = "OAUTH2"
    case apiKey = "API_KEY"
    case basic = "BASIC"
    case none = "NONE"
}
