/// What authorises a connection.
public enum Credentials: Sendable, Equatable {
    case oauth2(OAuth2Credentials)
    case apiKey(Secret)
    case basic(username: String, password: Secret)
    case none
}

public struct OAuth2Credentials: Sendable, Equatable {
    public var accessToken: Secret
    public var refreshToken: Secret?
    public var expiresAt: Timestamp?
    /// The provider's answer as it came, secrets included.
    public var raw: JSONValue

    public init(accessToken: Secret, refreshToken: Secret?, expiresAt: Timestamp?, raw: JSONValue) {
        self.accessToken = accessToken
        self.refreshToken = refreshToken
        self.expiresAt = expiresAt
        self.raw = raw
    }
}
