import HTTPTypes
import Hummingbird
import TerapiCore

/// The way of a browser through a provider's consent page and back.
struct OAuthRoutes: Sendable {
    let settings: any SettingsStorage
    let connectFlow: any ConnectFlow
    let publicURL: String

    func begin(_ call: Call) async throws -> Response {
        let request = try ConnectRequest(call)
        if !request.wasRedirected, let publicHost = WebOrigin(url: publicURL), !isAddressed(to: publicHost, call) {
            return redirect(to: publicURL + call.request.uri.string + "&redirected=true")
        }
        let allowed = try await allowedOrigins(of: request.session)
        let openerOrigin = try request.openerOrigin.map { try check($0, among: allowed, "opener_origin") }
        if let returnURL = request.returnURL { _ = try check(returnURL, among: allowed, "return_url") }

        let redirect: ConnectRedirect
        do {
            redirect = try await connectFlow.begin(
                ConnectStart(
                    session: request.session,
                    integrationKey: request.integrationKey,
                    connectionID: request.connectionID,
                    config: request.config,
                    userScopes: request.userScopes,
                    authorizationParams: request.authorizationParams,
                    openerOrigin: openerOrigin,
                    returnURL: request.returnURL,
                    attemptID: request.attemptID
                )
            )
        } catch let error as TerapiError where error.status.code < 500 {
            let result = ConnectResult(
                outcome: .failure(type: error.code.rawValue, message: ResultPage.text(of: error)),
                integrationKey: request.integrationKey,
                attemptID: request.attemptID,
                openerOrigin: openerOrigin,
                returnURL: request.returnURL
            )
            return answer(result, status: error.status, requestID: call.requestID)
        }
        var response = self.redirect(to: redirect.url)
        response.headers[.setCookie] = BrowserCookie(publicURL: publicURL, state: redirect.state)
            .setting(redirect.browserSecret)
        return response
    }

    func callback(_ call: Call) async throws -> Response {
        let query = try call.query()
        let cookie = BrowserCookie(publicURL: publicURL, state: query.first("state") ?? "")
        let result: ConnectResult
        if let name = query.repeatedName {
            // Programs differ in which of two values they take: a classic way to slip one past a check.
            result = ConnectResult(
                outcome: .failure(
                    type: "url_param_err", message: "The answer names \"\(name)\" twice and was not used.")
            )
        } else {
            result = await connectFlow.finish(
                integrationKey: call.parameters["uniqueKey"],
                query: query.all,
                browserSecret: cookie.value(in: call.request.headers)
            )
        }
        let status: HTTPResponse.Status = if case .success = result.outcome { .ok } else { .badRequest }
        var response = answer(result, status: status, requestID: call.requestID)
        response.headers[.setCookie] = cookie.clearing
        return response
    }

    private func answer(_ result: ConnectResult, status: HTTPResponse.Status, requestID: String) -> Response {
        // Checked when the flow began, and once more here, because this line is what sends a browser away.
        if let returnURL = result.returnURL, WebOrigin(url: returnURL) != nil {
            return redirect(to: Self.address(returnURL, telling: result.outcome))
        }
        return ResultPage.finished(result, status: status, requestID: requestID)
    }

    private static func address(_ returnURL: String, telling outcome: ConnectResult.Outcome) -> String {
        let parameters: [(String, String)] =
            switch outcome {
            case .success(let connectionID): [("status", "success"), ("connection_id", connectionID)]
            case .failure(let type, _): [("status", "error"), ("error_type", type)]
            }
        let query = parameters.map { "\($0)=\(PercentEncoding.encode($1))" }.joined(separator: "&")
        let base = returnURL.prefix { $0 != "#" }
        let fragment = returnURL.dropFirst(base.count)
        return "\(base)\(base.contains("?") ? "&" : "?")\(query)\(fragment)"
    }

    // MARK: - Where from, where to

    private func isAddressed(to publicHost: WebOrigin, _ call: Call) -> Bool {
        guard let authority = call.request.head.authority, !authority.isEmpty else { return true }
        return WebOrigin(url: "\(publicHost.scheme)://\(authority)")?.authority == publicHost.authority
    }

    private func allowedOrigins(of session: ConnectSession) async throws -> [String] {
        let named =
            session.allowedOrigins.isEmpty
            ? try await settings.environment(session.scope).settings.defaultOrigins : session.allowedOrigins
        // Our own connect page opens popups too.
        return named + [WebOrigin(url: publicURL)?.text].compactMap { $0 }
    }

    /// - Returns: the origin of the address.
    private func check(_ url: String, among allowed: [String], _ name: String) throws -> String {
        guard let origin = WebOrigin(url: url)?.text, allowed.contains(origin) else {
            throw TerapiError(
                .invalidQueryParams,
                "The page that you come from is not one that this connect session allows.",
                issues: [
                    TerapiError.Issue(
                        code: "custom",
                        message:
                            "Not among the origins of the connect session (allowed_origins) or of the environment.",
                        path: [name]
                    )
                ]
            )
        }
        return origin
    }

    private func redirect(to url: String) -> Response {
        Response(
            status: .found,
            headers: [.location: url, .cacheControl: "no-store", .referrerPolicy: "no-referrer"]
        )
    }
}

/// The cookie that ties a flow to the browser that began it.
struct BrowserCookie: Sendable {
    static let lifetime = Duration.seconds(600)

    private let name: String
    private let attributes: String

    /// - Parameter state: of the flow. Each flow has a cookie of its own, so that two in one browser do not end each
    ///   other; the name shows nothing of the state.
    init(publicURL: String, state: String) {
        // The prefix makes browsers refuse the cookie from anyone but this very host over https.
        let isSecure = publicURL.hasPrefix("https://")
        let flow = hex(sha256(Array(state.utf8)).prefix(8))
        name = (isSecure ? "__Host-terapi_oauth_" : "terapi_oauth_") + flow
        attributes = "; Path=/; HttpOnly; SameSite=Lax" + (isSecure ? "; Secure" : "")
    }

    func setting(_ secret: Secret) -> String {
        "\(name)=\(secret.reveal())\(attributes); Max-Age=\(Self.lifetime.components.seconds)"
    }

    var clearing: String {
        "\(name)=\(attributes); Max-Age=0"
    }

    /// - Returns: `nil` when the cookie is not there, or there twice.
    func value(in headers: HTTPFields) -> String? {
        let cookies: [Substring] = headers[values: .cookie].flatMap { $0.split(separator: ";") }
            .map { $0.drop(while: { $0 == " " }) }
        let values = cookies.filter { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
        return values.count == 1 ? values[0] : nil
    }
}
