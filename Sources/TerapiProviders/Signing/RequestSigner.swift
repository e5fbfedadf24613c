import TerapiCore

/// Signs what is about to leave, in the modes that sign each request and not only the way to a token.
struct RequestSigner {
    let provider: Provider
    let values: TemplateValues
    /// Whether the body is still to come, and so cannot be part of a signature.
    var bodyFlows = false

    /// Called when method, address, headers and body are what will be sent.
    func sign(_ request: inout OutboundRequest) throws {
        switch values.credentials {
        case .oauth1(let tokens):
            try authorize(&request, tokens, provider.oauth1?.signatureMethod ?? .hmacSHA1, realm: nil)
        case .tba(let tokens):
            try authorize(&request, tokens, .hmacSHA256, realm: values.value("connectionConfig.accountId"))
        case .derived(let derived) where derived.mode == .awsSigV4:
            try signature(derived).sign(&request)
        default: break
        }
    }

    private func authorize(
        _ request: inout OutboundRequest,
        _ tokens: OAuth1Credentials,
        _ method: Provider.OAuth1.SignatureMethod,
        realm: String?
    ) throws {
        let signature = OAuth1Signature(
            consumerKey: values.clientID ?? "",
            consumerSecret: values.clientSecret ?? Secret(""),
            token: tokens.token.reveal(),
            tokenSecret: tokens.tokenSecret,
            method: method,
            realm: realm,
            timestamp: values.now.unixSeconds
        )
        request.headers.removeAll { $0.name.lowercased() == "authorization" }
        request.headers.append(("authorization", try signature.header(for: request)))
    }

    private func signature(_ derived: DerivedCredentials) throws -> AWSSignature {
        func text(_ name: String) -> String? { values.value("credentials.\(name)") }
        guard let accessKeyID = text("access_key_id"), let secret = text("secret_access_key") else {
            throw TerapiError(.invalidCredentials, "The connection has no temporary AWS keys.")
        }
        return AWSSignature(
            accessKeyID: accessKeyID,
            secretAccessKey: Secret(secret),
            sessionToken: text("session_token").map(Secret.init),
            region: text("region") ?? "us-east-1",
            service: text("service") ?? "execute-api",
            now: values.now,
            leavesBodyOut: bodyFlows
        )
    }
}
