import Synchronization
import TerapiCore

/// An OAuth 2.0 server with PKCE and one-use refresh tokens, as strict as the strictest providers: a code or refresh
/// token that comes a second time revokes everything that was ever given out with it (RFC 9700, section 4.14.2).
final class AuthorizationServer: Sendable {
    /// What the token endpoint answers (RFC 6749, section 5.2).
    enum Refusal: Error, Equatable {
        case invalidClient
        case invalidRequest(String)
        case invalidGrant(String)
        case unsupportedGrantType

        var code: String {
            switch self {
            case .invalidClient: "invalid_client"
            case .invalidRequest: "invalid_request"
            case .invalidGrant: "invalid_grant"
            case .unsupportedGrantType: "unsupported_grant_type"
            }
        }

        var explanation: String {
            switch self {
            case .invalidClient: "The client id and secret do not belong to a registered application."
            case .invalidRequest(let text), .invalidGrant(let text): text
            case .unsupportedGrantType: "Only authorization_code and refresh_token are offered."
            }
        }
    }

    struct TokenPair: Equatable {
        var accessToken: String
        var refreshToken: String
        var lifetime: Duration
        var scope: String
    }

    /// How an application proves who it is.
    struct ClientProof {
        var id: String
        var secret: Secret
    }

    private struct Code {
        var request: AuthorizationRequest
        var expiresAt: Timestamp
        /// The family of its tokens once it has been used.
        var family: Int?
    }

    private struct RefreshToken {
        var family: Int
        var scope: String
        /// When it was used, and what was given out for it.
        var use: (at: Timestamp, pair: TokenPair)?
    }

    private struct AccessToken {
        var family: Int
        var expiresAt: Timestamp
        /// A request has come with it.
        var isSeen = false
    }

    private struct State {
        var codes: [String: Code] = [:]
        var refreshTokens: [String: RefreshToken] = [:]
        var accessTokens: [String: AccessToken] = [:]
        var revokedFamilies: Set<Int> = []
        var lastFamily = 0
    }

    private let options: SandboxOptions
    private let statistics: SandboxStatistics
    private let state = Mutex(State())

    init(options: SandboxOptions, statistics: SandboxStatistics) {
        self.options = options
        self.statistics = statistics
    }

    /// Gives out the code with which the browser goes back; it is good for one minute and one use.
    func approve(_ request: AuthorizationRequest, at now: Timestamp) -> String {
        let code = "code_" + hex(randomBytes(32))
        state.withLock { $0.codes[code] = Code(request: request, expiresAt: now + .seconds(60)) }
        return code
    }

    /// Trades a code for tokens.
    func redeem(
        code: String,
        verifier: String?,
        redirectURI: String?,
        client: ClientProof,
        at now: Timestamp
    ) throws(Refusal) -> TokenPair {
        try check(client)
        let result: Result<TokenPair, Refusal> = state.withLock { state in
            guard let stored = state.codes[code] else { return .failure(.invalidGrant("The code is unknown.")) }
            if let family = stored.family {
                state.revokedFamilies.insert(family)
                statistics.count(.reuse)
                return .failure(.invalidGrant("The code was used before: every token that came of it is revoked."))
            }
            state.lastFamily += 1
            let family = state.lastFamily
            // A code is used up by its first use, successful or not.
            state.codes[code]?.family = family
            guard now < stored.expiresAt else { return .failure(.invalidGrant("The code has expired.")) }
            guard redirectURI == stored.request.redirectURI else {
                return .failure(.invalidGrant("redirect_uri is not the one of the authorization request."))
            }
            guard let verifier, Self.challenge(for: verifier) == stored.request.codeChallenge else {
                return .failure(.invalidGrant("code_verifier does not fit the code_challenge."))
            }
            return .success(issue(family: family, scope: stored.request.scope, at: now, in: &state))
        }
        statistics.count(.codeGrant)
        return try result.get()
    }

    /// Trades a refresh token for a new pair; the old one is used up.
    func refresh(_ token: String, client: ClientProof, at now: Timestamp) throws(Refusal) -> TokenPair {
        try check(client)
        let result: Result<TokenPair, Refusal> = state.withLock { state in
            guard let stored = state.refreshTokens[token] else {
                return .failure(.invalidGrant("The refresh token is unknown."))
            }
            if let use = stored.use {
                state.revokedFamilies.insert(stored.family)
                statistics.count(.reuse)
                statistics.note(
                    SandboxStatistics.Reuse(
                        usedAt: use.at,
                        isAnswerSeen: state.accessTokens[use.pair.accessToken]?.isSeen ?? false
                            || state.refreshTokens[use.pair.refreshToken]?.use != nil
                    )
                )
                return .failure(.invalidGrant("The refresh token was used before: its whole family is revoked."))
            }
            guard !state.revokedFamilies.contains(stored.family) else {
                return .failure(.invalidGrant("The refresh token is revoked."))
            }
            let pair = issue(family: stored.family, scope: stored.scope, at: now, in: &state)
            state.refreshTokens[token]?.use = (now, pair)
            return .success(pair)
        }
        statistics.count(.refreshGrant)
        return try result.get()
    }

    /// Ends everything that was given out with this access or refresh token. Unknown tokens are fine (RFC 7009).
    func revoke(_ token: String) {
        state.withLock { state in
            guard let family = state.refreshTokens[token]?.family ?? state.accessTokens[token]?.family else { return }
            state.revokedFamilies.insert(family)
        }
    }

    /// Ends every access token before its time, so that the next request of the API is refused with 401.
    func expireAccessTokens() {
        state.withLock { $0.accessTokens = [:] }
    }

    func accepts(accessToken: String, at now: Timestamp) -> Bool {
        if accessToken == options.accessToken?.reveal() { return true }
        return state.withLock { state in
            guard let stored = state.accessTokens[accessToken] else { return false }
            state.accessTokens[accessToken]?.isSeen = true
            return now < stored.expiresAt && !state.revokedFamilies.contains(stored.family)
        }
    }

    private func check(_ client: ClientProof) throws(Refusal) {
        guard client.id == options.clientID, client.secret == options.clientSecret else {
            statistics.count(.refusedClient)
            throw .invalidClient
        }
    }

    private func issue(family: Int, scope: String, at now: Timestamp, in state: inout State) -> TokenPair {
        let pair = TokenPair(
            accessToken: "access_" + hex(randomBytes(32)),
            refreshToken: "refresh_" + hex(randomBytes(32)),
            lifetime: options.accessTokenLifetime,
            scope: scope
        )
        state.accessTokens[pair.accessToken] = AccessToken(family: family, expiresAt: now + pair.lifetime)
        state.refreshTokens[pair.refreshToken] = RefreshToken(family: family, scope: scope)
        return pair
    }

    /// The S256 challenge of a verifier (RFC 7636, section 4.2).
    static func challenge(for verifier: String) -> String {
        Base64.url.encode(sha256(Array(verifier.utf8)))
    }
}
