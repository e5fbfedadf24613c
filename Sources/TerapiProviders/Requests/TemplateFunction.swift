import Crypto
import TerapiCore

/// What a template can compute: `${sha256Hex(${apiKey})}`.
enum TemplateFunction: String, Sendable, CaseIterable {
    case base64
    case sha256Hex
    case sha256Base64
    /// Of a message and a key.
    case hmacSha1Hex
    /// Of a message and a private key; the signature in base64.
    case ed25519Sign
    /// Of a private key in PEM: what its public key is known by.
    case fingerprint
    /// Of access key, secret key, region and service, and of a host if it is not the request's: the `Authorization`
    /// header.
    case awsSigV4

    enum Separation {
        case never, byLastComma, byEveryComma
    }

    var separation: Separation {
        switch self {
        case .base64, .sha256Hex, .sha256Base64, .fingerprint: .never
        case .hmacSha1Hex, .ed25519Sign: .byLastComma
        case .awsSigV4: .byEveryComma
        }
    }

    var argumentCounts: ClosedRange<Int> {
        switch separation {
        case .never: 1...1
        case .byLastComma: 2...2
        case .byEveryComma: 4...5
        }
    }

    /// - Returns: `nil` when the arguments are not such that there is a value: the placeholder stays unresolved.
    func value(_ arguments: [String], _ values: TemplateValues) -> String? {
        guard argumentCounts.contains(arguments.count) else { return nil }
        let first = Array(arguments[0].utf8)
        switch self {
        case .base64: return Base64.standard.encode(first)
        case .sha256Hex: return hex(sha256(first))
        case .sha256Base64: return Base64.standard.encode(sha256(first))
        case .hmacSha1Hex:
            let key = SymmetricKey(data: Array(arguments[1].utf8))
            return hex(Array(HMAC<Insecure.SHA1>.authenticationCode(for: first, using: key)))
        case .ed25519Sign:
            let signature = SigningKey.ed25519(arguments[1]).flatMap { try? $0.signature(for: first) }
            return signature.map { Base64.standard.encode(Array($0)) }
        case .fingerprint: return SigningKey.fingerprint(ofPEM: arguments[0])
        case .awsSigV4: return try? awsAuthorization(arguments, values)
        }
    }

    /// Signs host and date: the file puts the latter into `x-amz-date`.
    private func awsAuthorization(_ arguments: [String], _ values: TemplateValues) throws -> String? {
        guard let facts = values.request, let target = facts.target,
            let host = arguments.count == 5 ? arguments[4] : facts["host"]
        else { return nil }
        var request = OutboundRequest(
            method: facts.method,
            url: "https://\(host)\(target)",
            headers: [],
            body: facts.body,
            purpose: .script
        )
        try AWSSignature(
            accessKeyID: arguments[0],
            secretAccessKey: Secret(arguments[1]),
            region: arguments[2],
            service: arguments[3],
            now: values.now
        ).sign(&request)
        return request.headers.first { $0.name == "authorization" }?.value
    }
}
