import TerapiCore

/// Makes a script's or a customer's request complete: base URL, credentials, the provider's headers and query.
struct ConnectionRequest {
    private static let maxTemplateBytes = 16_384

    let provider: Provider
    var values: TemplateValues

    /// - Parameters:
    ///   - baseURLOverride: another root for this request, named by the provider file itself.
    ///   - bodyFlows: whether a body comes that is not known yet.
    func build(
        _ request: ScriptRequest,
        purpose: OutboundRequest.Purpose,
        baseURLOverride: String? = nil,
        timeout: Duration = .seconds(60),
        bodyFlows: Bool = false
    ) throws -> OutboundRequest {
        guard request.isAuthorized else {
            return OutboundRequest(
                method: request.method.uppercased(),
                url: Self.adding(request.query, to: request.endpoint),
                headers: request.headers,
                body: request.body,
                timeout: timeout,
                purpose: purpose
            )
        }
        var values = values
        let url = try url(of: request, isOurs: purpose == .verification, baseURLOverride: baseURLOverride)
        values.request = RequestFacts(request, url: url, body: request.body)
        let body = body(request, values)
        let query = provider.proxy.query.compactMap { entry -> (name: String, value: String)? in
            guard let (name, value) = Self.rendered(entry, values),
                !request.query.contains(where: { $0.name == name })
            else { return nil }
            return (name, value)
        }
        let target = Self.adding(query + request.query, to: url)
        // Signatures in headers are about what is sent.
        values.request?.body = body
        values.request?.url = target
        var complete = OutboundRequest(
            method: request.method.uppercased(),
            url: target,
            headers: headers(request, values),
            body: body,
            timeout: timeout,
            purpose: purpose,
            redirects: provider.proxy.forwardsHeadersOnRedirect ? .followWithHeaders : .follow
        )
        try RequestSigner(provider: provider, values: values, bodyFlows: bodyFlows).sign(&complete)
        return complete
    }

    // MARK: URL

    /// - Parameter isOurs: whether the endpoint is the provider file's and not a caller's.
    private func url(of request: ScriptRequest, isOurs: Bool, baseURLOverride: String?) throws -> String {
        let caller = isOurs ? values : values.forCallers
        let base = try base(request, baseURLOverride, caller)
        let endpoint = try endpoint(request.endpoint, caller)
        if endpoint.lowercased().hasPrefix("http://") || endpoint.lowercased().hasPrefix("https://") {
            return try sameOrigin(endpoint, as: base)
        }
        guard !base.isEmpty else {
            throw TerapiError(
                .missingAPIURL,
                "The provider \"\(provider.name)\" has no base URL: the request must bring one (baseUrlOverride in "
                    + "scripts, the header Base-Url-Override at the proxy)."
            )
        }
        var root = base[...]
        while root.last == "/" { root = root.dropLast() }
        let path = endpoint.drop { $0 == "/" }
        return path.isEmpty ? String(root) : path.hasPrefix("?") ? "\(root)\(path)" : "\(root)/\(path)"
    }

    private func base(_ request: ScriptRequest, _ override: String?, _ caller: TemplateValues) throws -> String {
        if let base = request.baseURLOverride, !base.isEmpty {
            try checkLength(of: base)
            return try URLTemplate(base).render(caller)
        }
        if let override { return try URLTemplate(override).render(values) }
        return try provider.proxy.baseURL.map { try URLTemplate($0).render(values) } ?? ""
    }

    /// Scripts may write placeholders into a path; their values must stay in it.
    private func endpoint(_ text: String, _ values: TemplateValues) throws -> String {
        guard text.utf8.contains(UInt8(ascii: "$")), text.contains("${") else { return text }
        try checkLength(of: text)
        let prefix = "https://path"
        let slash = text.hasPrefix("/") || text.hasPrefix("?") ? "" : "/"
        let rendered = try URLTemplate(prefix + slash + text).render(values)
        return String(rendered.dropFirst(prefix.count + slash.count))
    }

    /// Placeholders are looked for again and again.
    private func checkLength(of template: String) throws {
        guard template.utf8.count <= Self.maxTemplateBytes else {
            throw TerapiError(
                .invalidBody, "An address with placeholders is at most \(Self.maxTemplateBytes) bytes long."
            )
        }
    }

    /// Paging links come as whole URLs. The credentials go to the provider's origin and to no other.
    private func sameOrigin(_ endpoint: String, as base: String) throws -> String {
        let url = try? OutboundURL(endpoint)
        let root = try? OutboundURL(base)
        guard let url, let root, url.origin == root.origin else {
            throw TerapiError(
                .outboundRefused,
                """
                The endpoint leads to \(url?.hostText ?? "another place") and not to the provider's own \
                \(root?.hostText ?? "base URL"). To send the connection's credentials there, set baseUrlOverride.
                """
            )
        }
        return endpoint
    }

    /// A parameter of the same name that the URL has already is replaced.
    static func adding(_ items: [(name: String, value: String)], to url: String) -> String {
        guard !items.isEmpty else { return url }
        let parts = url.prefix { $0 != "#" }.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let names = Set(items.map(\.name))
        let kept = (parts.count == 2 ? parts[1] : "").split(separator: "&").filter { pair in
            !names.contains(PercentEncoding.decoded(pair.prefix { $0 != "=" }))
        }
        let query = (kept.map(String.init) + [PercentEncoding.query(items)]).joined(separator: "&")
        return "\(parts[0])?\(query)"
    }

    // MARK: Headers and body

    private func headers(_ request: ScriptRequest, _ values: TemplateValues) -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        func set(_ name: String, _ value: String) {
            headers.removeAll { $0.name == name }
            headers.append((name, value))
        }
        switch values.credentials {
        case .oauth2(let tokens): set("authorization", "Bearer \(tokens.accessToken.reveal())")
        case .basic(let username, let password):
            set("authorization", "Basic " + Base64.standard.encode(Array("\(username):\(password.reveal())".utf8)))
        case .derived(let derived):
            if let cookie = derived.issued["cookie"]?.string { set("cookie", cookie) }
            if let token = derived.token { set("authorization", "Bearer \(token.reveal())") }
        case .apiKey, .oauth1, .tba, .none: break
        }
        // A provider with a place of its own for the token does not get it twice.
        let places = provider.proxy.headers + provider.proxy.query
        if places.contains(where: { $0.value.contains("${accessToken}") }) {
            headers.removeAll { $0.name == "authorization" }
        }
        for header in provider.proxy.headers {
            if let (name, value) = Self.rendered(header, values) { set(name.lowercased(), value) }
        }
        let ownAgent = headers.contains { $0.name == "user-agent" }
        for header in request.headers {
            let name = header.name.lowercased()
            if name == "user-agent", ownAgent { continue }
            set(name, header.value)
        }
        if let first = request.body?.first, first == UInt8(ascii: "{") || first == UInt8(ascii: "["),
            !headers.contains(where: { $0.name == "content-type" })
        {
            headers.append(("content-type", "application/json"))
        }
        return headers
    }

    /// The provider's own fields, merged into a body that has members.
    private func body(_ request: ScriptRequest, _ values: TemplateValues) -> [UInt8]? {
        guard let template = provider.proxy.body,
            ["POST", "PUT", "PATCH", "DELETE"].contains(request.method.uppercased())
        else { return request.body }
        let type = request.headers.first { $0.name.lowercased() == "content-type" }?.value.lowercased()
        if type?.hasPrefix("application/x-www-form-urlencoded") == true {
            return form(request.body ?? [], template, values)
        }
        let given = request.body.map { try? JSONReader.read($0) } ?? .object(JSONObject())
        guard case .object(let object)? = given, case .object(let fields) = Self.rendered(.object(template), values)
        else {
            return request.body
        }
        return JSONValue.object(fields.merging(object)).encoded()
    }

    private func form(_ body: [UInt8], _ template: JSONObject, _ values: TemplateValues) -> [UInt8] {
        let form = String(decoding: body, as: UTF8.self)
        let names = Set(PercentEncoding.form(form).map(\.name))
        let added = template.members.compactMap { member -> (name: String, value: String)? in
            guard let text = member.value.string, !names.contains(member.name) else { return nil }
            return Self.rendered((member.name, text), values)
        }
        return Array([form, PercentEncoding.query(added)].filter { !$0.isEmpty }.joined(separator: "&").utf8)
    }

    /// A document with its placeholders filled in; members with one that is not known are left out.
    static func rendered(_ value: JSONValue, _ values: TemplateValues) -> JSONValue {
        switch value {
        case .string(let text): .string(Template(text).render(values).text)
        case .array(let items): .array(items.map { rendered($0, values) })
        case .object(let object):
            .object(
                JSONObject(
                    object.members.filter { member in
                        member.value.string.map { Template($0).render(values).isResolved } ?? true
                    }.map { ($0.name, rendered($0.value, values)) }
                )
            )
        default: value
        }
    }

    /// - Returns: `nil` when a placeholder is not known: such an entry is left out.
    private static func rendered(
        _ entry: (name: String, value: String),
        _ values: TemplateValues
    ) -> (name: String, value: String)? {
        let name = Template(entry.name).render(values)
        let value = Template(entry.value).render(values)
        return name.isResolved && value.isResolved ? (name.text, value.text) : nil
    }
}
