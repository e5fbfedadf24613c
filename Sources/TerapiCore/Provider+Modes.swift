// What provider files say about the auth modes other than OAuth 2. Texts may hold placeholders.
extension Provider {
    /// Whether a request's signature is about its body, which then has to be there before anything is sent.
    /// - Parameters:
    ///   - type: of the body, in lower case.
    ///   - integrationConfig: names the service where that decides.
    public func signsBody(type: String, integrationConfig: JSONObject) -> Bool {
        switch authMode {
        // Only this service takes a signature that leaves the body out.
        case .awsSigV4: if integrationConfig["service"]?.string != "s3" { return true }
        case .oauth1, .tba: if type.hasPrefix("application/x-www-form-urlencoded") { return true }
        default: break
        }
        return (proxy.headers + proxy.query).contains { entry in
            ["bodyCanonicalParams", "${params}", "awsSigV4("].contains(where: entry.value.contains)
        }
    }
}

extension Provider {
    /// How tokens are obtained with OAuth 1 (RFC 5849).
    public struct OAuth1: Sendable {
        public enum SignatureMethod: String, Sendable, CaseIterable {
            case hmacSHA1 = "HMAC-SHA1"
            case hmacSHA256 = "HMAC-SHA256"
            case plaintext = "PLAINTEXT"
        }

        public var requestURL: String
        public var authorizationURL: String
        public var tokenURL: String
        public var signatureMethod: SignatureMethod
        public var requestParams: [(name: String, value: String)] = []
        public var authorizationParams: [(name: String, value: String)] = []
        public var tokenParams: [(name: String, value: String)] = []

        public init(
            requestURL: String,
            authorizationURL: String,
            tokenURL: String,
            signatureMethod: SignatureMethod = .hmacSHA1
        ) {
            self.requestURL = requestURL
            self.authorizationURL = authorizationURL
            self.tokenURL = tokenURL
            self.signatureMethod = signatureMethod
        }
    }

    /// Requests of which the last answers with a token.
    public struct TokenExchange: Sendable {
        /// One of them. Its answer is known to the later ones as `${stepN.path}`.
        public struct Step: Sendable {
            public var method: String
            public var url: String
            public var headers: [(name: String, value: String)]
            public var params: JSONObject
            public var bodyFormat: BodyFormat

            public init(
                method: String = "POST",
                url: String,
                headers: [(name: String, value: String)] = [],
                params: JSONObject = [:],
                bodyFormat: BodyFormat = .json
            ) {
                self.method = method
                self.url = url
                self.headers = headers
                self.params = params
                self.bodyFormat = bodyFormat
            }
        }

        public var steps: [Step]
        /// The request that renews with a refresh token; `nil` when the steps are gone through again.
        public var refresh: Step?
        public var tokenPath: String
        public var refreshTokenPath: String?
        public var expirationPath: String?
        /// Whether the expiration is a moment; else it is a number of seconds.
        public var expirationIsMoment = false
        /// How long a token lives when the answer does not say; zero for ever.
        public var lifetime: Duration?
        public var responseMetadata: [String] = []
        /// Headers of the answer that are kept with the token, in lower case.
        public var responseHeaders: [String] = []

        public init(steps: [Step], tokenPath: String) {
            self.steps = steps
            self.tokenPath = tokenPath
        }
    }

    /// A token that we sign ourselves.
    public struct SelfSigned: Sendable {
        public enum Family: String, Sendable, CaseIterable {
            case rsa = "RSA"
            case hmac = "HMAC"
            case ec = "EC"
            /// The UsernameToken of WS-Security, which holds a digest of the password.
            case wsse = "WSSE"
        }

        public enum KeyEncoding: String, Sendable, CaseIterable {
            case utf8, hex, base64
        }

        public var family: Family
        public var signingKey: String
        public var hmacKeyEncoding: KeyEncoding?
        public var lifetime: Duration?
        public var header: [(name: String, value: String)] = []
        public var payload = JSONObject()

        public init(family: Family, signingKey: String) {
            self.family = family
            self.signingKey = signingKey
        }
    }

    /// A signed statement that a token request shows as `${credentials.assertion}`.
    public struct Assertion: Sendable {
        public var key: String
        public var lifetime: Duration
        public var header: [(name: String, value: String)]
        public var payload: JSONObject

        public init(key: String, lifetime: Duration, header: [(name: String, value: String)], payload: JSONObject) {
            self.key = key
            self.lifetime = lifetime
            self.header = header
            self.payload = payload
        }
    }

    /// How we become known to an authorization server.
    public struct ClientRegistration: Sendable {
        public enum Kind: String, Sendable, CaseIterable {
            /// Dynamic client registration (RFC 7591).
            case dynamic
            /// The developer has registered a client.
            case fixed = "static"
            /// Our client id is the address of a document about us.
            case document = "cimd"
        }

        public var kind: Kind
        public var url: String?
        public var params: JSONObject

        public init(kind: Kind, url: String? = nil, params: JSONObject = [:]) {
            self.kind = kind
            self.url = url
            self.params = params
        }
    }
}
