import TerapiCore

/// An authorization server as it describes itself, found from the resource that it guards (RFC 9728, RFC 8414).
struct AuthorizationServer {
    var issuer: String
    var authorizationURL: String
    var tokenURL: String
    var registrationURL: String?
    var resource: String
    var namesItself: Bool
    /// Which ways a client may authenticate; empty when it does not say.
    var clientAuthentications: [String]

    /// - Throws: `TerapiError(.providerError)` when nothing is found, or what is found contradicts itself.
    static func discovered(from resource: String, through client: any OutboundClient) async throws
        -> AuthorizationServer
    {
        let url = try parsed(resource)
        let path = url.target.prefix { $0 != "?" }
        let place = path == "/" ? "" : path
        var about: JSONValue?
        for candidate in [try await hint(resource, client)].compactMap(\.self)
            + Set([String(place), ""]).sorted().reversed().map({
                "\(url.root)/.well-known/oauth-protected-resource\($0)"
            })
        where about == nil {
            about = try await document(at: candidate, client)
        }
        // Whoever describes another resource than the one that was asked for could pass our tokens on.
        if let named = about?["resource"]?.string {
            let named = try parsed(named)
            guard named.origin == url.origin, path.hasPrefix(named.target.prefix { $0 != "?" }) else {
                throw TerapiError(.providerError, "The server at \(url.hostText) describes itself as another one.")
            }
        }
        let issuer = about?["authorization_servers"]?.array?.first?.string ?? url.root
        return try await described(by: issuer, resource: about?["resource"]?.string ?? resource, client)
    }

    private static func described(
        by issuer: String,
        resource: String,
        _ client: any OutboundClient
    ) async throws -> AuthorizationServer {
        let url = try parsed(issuer)
        let path = url.target == "/" ? "" : url.target
        let places = [
            "\(url.root)/.well-known/oauth-authorization-server\(path)",
            "\(url.root)/.well-known/openid-configuration\(path)",
            "\(url.root)\(path)/.well-known/openid-configuration",
        ]
        for place in places {
            guard let metadata = try await document(at: place, client) else { continue }
            guard let named = metadata["issuer"]?.string, try parsed(named).text == url.text else {
                throw TerapiError(.providerError, "The authorization server \(url.hostText) names another issuer.")
            }
            guard let authorizationURL = metadata["authorization_endpoint"]?.string,
                let tokenURL = metadata["token_endpoint"]?.string
            else { continue }
            let methods = metadata["code_challenge_methods_supported"]?.array?.compactMap(\.string)
            guard methods?.contains("S256") ?? true else {
                throw TerapiError(.providerError, "The authorization server \(url.hostText) does not support PKCE.")
            }
            return AuthorizationServer(
                issuer: named,
                authorizationURL: try plain(authorizationURL),
                tokenURL: try plain(tokenURL),
                registrationURL: try metadata["registration_endpoint"]?.string.map(plain),
                resource: try plain(resource),
                namesItself: metadata["authorization_response_iss_parameter_supported"]?.bool ?? false,
                clientAuthentications: metadata["token_endpoint_auth_methods_supported"]?.array?
                    .compactMap(\.string) ?? []
            )
        }
        throw TerapiError(
            .providerError,
            "The server at \(url.hostText) does not say how to be authorised there: it has no OAuth metadata."
        )
    }

    /// Where the resource itself says that its description is.
    private static func hint(_ resource: String, _ client: any OutboundClient) async throws -> String? {
        let response = try await client.send(request("GET", resource))
        guard response.status == 401, let challenge = response.header("www-authenticate"),
            let mark = challenge.firstRange(of: "resource_metadata=\"")
        else { return nil }
        return String(challenge[mark.upperBound...].prefix { $0 != "\"" })
    }

    private static func document(at url: String, _ client: any OutboundClient) async throws -> JSONValue? {
        let response = try await client.send(request("GET", url))
        guard response.status == 200 else { return nil }
        let json = try? JSONReader.read(response.body, limits: JSONReader.Limits(maxDepth: 32, maxNodes: 10_000))
        return json?.object.map(JSONValue.object)
    }

    static func request(_ method: String, _ url: String, body: [UInt8]? = nil) -> OutboundRequest {
        let type: [(name: String, value: String)] = body == nil ? [] : [("content-type", "application/json")]
        return OutboundRequest(
            method: method,
            url: url,
            headers: [("accept", "application/json")] + type,
            body: body,
            timeout: .seconds(10),
            purpose: .token,
            redirects: .never,
            maxAnswerBytes: 1_000_000
        )
    }

    /// An address that is taken as it is. These texts end where templates are read: one with a placeholder in it could
    /// have our secrets sent along.
    private static func plain(_ text: String) throws -> String {
        _ = try parsed(text)
        guard !text.contains("${") else {
            throw TerapiError(.providerError, "The server describes itself by an address that is not one.")
        }
        return text
    }

    private static func parsed(_ text: String) throws -> OutboundURL {
        do {
            return try OutboundURL(text)
        } catch {
            throw TerapiError(.providerError, "\"\(text.prefix(200))\" is no address of a server: \(error.reason).")
        }
    }
}

extension OutboundURL {
    /// Scheme, host and port as people write them.
    fileprivate var root: String {
        let isDefaultPort = port == (isHTTPS ? 443 : 80)
        return "\(isHTTPS ? "https" : "http")://\(hostText)\(isDefaultPort ? "" : ":\(port)")"
    }
}
