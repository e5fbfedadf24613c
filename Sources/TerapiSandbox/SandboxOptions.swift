public import TerapiCore

/// How a sandbox provider is set up. The defaults suit the demo.
public struct SandboxOptions: Sendable {
    /// The port on 127.0.0.1; 0 takes a free one.
    public var port = 0

    /// How many tickets there are at the start. Their content depends on their number only.
    public var ticketCount = 10_000

    /// How long an access token is good.
    public var accessTokenLifetime = Duration.seconds(60)

    public var clientID = "sandbox-client"
    public var clientSecret = Secret("sandbox-secret")

    /// An access token that is always good, for who wants to read tickets and not to authorize first.
    public var accessToken: Secret?

    /// Where the browser may be sent back to, compared exactly. Empty: every address on loopback.
    public var redirectURIs: [String] = []

    public init() {}
}
