import HTTPTypes
import Hummingbird
import NIOCore
import TerapiCore

/// The authorization, token and revocation endpoints.
struct OAuthRoutes: Sendable {
    let options: SandboxOptions
    let server: AuthorizationServer
    let faults: SandboxFaults
    let clock: any WallClock

    func add(to router: Router<BasicRequestContext>) {
        router.get("oauth/authorize", use: askPerson)
        router.post("oauth/authorize", use: takeDecision)
        router.post("oauth/token", use: giveTokens)
        router.post("oauth/revoke", use: revoke)
    }

    @Sendable private func askPerson(request: Request, context: BasicRequestContext) -> Response {
        let parameters = request.queryFields
        do {
            return .html(ConsentPage.html(for: try AuthorizationRequest(parameters: parameters, options: options)))
        } catch {
            return answer(error, parameters: parameters)
        }
    }

    @Sendable private func takeDecision(request: Request, context: BasicRequestContext) async throws -> Response {
        let fields = try await request.formBody()
        let authorization: AuthorizationRequest
        do {
            authorization = try AuthorizationRequest(parameters: fields, options: options)
        } catch {
            return answer(error, parameters: fields)
        }
        let outcome =
            fields["decision"] == "allow"
            ? ("code", server.approve(authorization, at: clock.now)) : ("error", "access_denied")
        return redirect(to: authorization.redirectURI, adding: [outcome, ("state", authorization.state)])
    }

    @Sendable private func giveTokens(request: Request, context: BasicRequestContext) async throws -> Response {
        let fields = try await request.formBody()
        let fault = faults.take(forTokens: true)?.fault
        switch fault {
        case .tokenServerError: return .error("server_error", "Something broke.", status: .internalServerError)
        case .tokenInvalidGrant: return .error("invalid_grant", "The refresh token is revoked.", status: .badRequest)
        default: break
        }
        do {
            let answer = Self.answer(try trade(fields, authorization: request.headers[.authorization]))
            if fault == .tokenDelay { try? await Task.sleep(for: .seconds(10)) }
            return fault == .tokenCut ? .cut(ByteBuffer(bytes: answer.encoded())) : .json(answer)
        } catch {
            return .error(
                error.code,
                error.explanation,
                status: error == .invalidClient ? .unauthorized : .badRequest
            )
        }
    }

    @Sendable private func revoke(request: Request, context: BasicRequestContext) async throws -> Response {
        server.revoke(try await request.formBody()["token"] ?? "")
        return Response(status: .ok)
    }

    private func trade(
        _ fields: [String: String],
        authorization: String?
    ) throws(AuthorizationServer.Refusal) -> AuthorizationServer.TokenPair {
        let client = try clientProof(fields, authorization: authorization)
        switch fields["grant_type"] {
        case "authorization_code":
            guard let code = fields["code"] else { throw .invalidRequest("code is missing.") }
            return try server.redeem(
                code: code,
                verifier: fields["code_verifier"],
                redirectURI: fields["redirect_uri"],
                client: client,
                at: clock.now
            )
        case "refresh_token":
            guard let token = fields["refresh_token"] else { throw .invalidRequest("refresh_token is missing.") }
            return try server.refresh(token, client: client, at: clock.now)
        default:
            throw .unsupportedGrantType
        }
    }

    // The secret comes as Basic or in the body. Basic is compared in its encoded form: there is one client only.
    private func clientProof(
        _ fields: [String: String],
        authorization: String?
    ) throws(AuthorizationServer.Refusal) -> AuthorizationServer.ClientProof {
        if let authorization {
            let parts = [options.clientID, options.clientSecret.reveal()].map(PercentEncoding.encode)
            let expected = parts.joined(separator: ":")
            guard Secret(authorization) == Secret("Basic " + Base64.standard.encode(expected.utf8)) else {
                throw .invalidClient
            }
            return AuthorizationServer.ClientProof(id: options.clientID, secret: options.clientSecret)
        }
        return AuthorizationServer.ClientProof(
            id: fields["client_id"] ?? "",
            secret: Secret(fields["client_secret"] ?? "")
        )
    }

    private func answer(_ refusal: AuthorizationRequest.Refusal, parameters: [String: String]) -> Response {
        guard refusal.mayRedirect, let address = parameters["redirect_uri"] else {
            return .html(ConsentPage.refusal(refusal.explanation), status: .badRequest)
        }
        return redirect(
            to: address,
            adding: [
                ("error", refusal.code), ("error_description", refusal.explanation), ("state", parameters["state"]),
            ]
        )
    }

    private func redirect(to address: String, adding parameters: [(String, String?)]) -> Response {
        let location = AuthorizationRequest.redirect(address, adding: parameters)
        return Response(status: .seeOther, headers: [.location: location, .cacheControl: "no-store"])
    }

    private static func answer(_ pair: AuthorizationServer.TokenPair) -> JSONValue {
        [
            "access_token": .string(pair.accessToken),
            "token_type": "Bearer",
            "expires_in": JSONValue(pair.lifetime.components.seconds),
            "refresh_token": .string(pair.refreshToken),
            "scope": .string(pair.scope),
        ]
    }
}
