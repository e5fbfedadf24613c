import TerapiCore
import TerapiProviders

/// Asks a server over HTTP with an API key, which also chooses the environment.
struct RemoteClient: Sendable {
    /// Without a slash at the end.
    let host: String
    private let key: Secret
    private let client: ProviderClient

    /// - Throws: `TerapiError(.invalidConfiguration)` when this is no address of a server.
    init(host: String, key: Secret) throws {
        guard host.hasPrefix("https://") || host.hasPrefix("http://") else {
            throw TerapiError(
                .invalidConfiguration,
                "--host is \"\(host)\". Give a whole address such as https://terapi.example.com."
            )
        }
        self.host = host.hasSuffix("/") ? String(host.dropLast()) : host
        self.key = key
        client = ProviderClient(guardedBy: OutboundGuard(allowed: PersonalNetworks.all))
    }

    /// The same server, asked with the token of a connect session. Who has this one closes it.
    func speaking(as token: Secret) -> RemoteClient {
        RemoteClient(host: host, key: token, client: client)
    }

    private init(host: String, key: Secret, client: ProviderClient) {
        self.host = host
        self.key = key
        self.client = client
    }

    func close() async {
        await client.close()
    }

    /// - Returns: the answer's JSON.
    /// - Throws: `TerapiError` with the server's message, and what is wrong where.
    func send(
        _ method: String,
        _ path: String,
        query: [(name: String, value: String?)] = [],
        headers: [(name: String, value: String)] = [],
        body: JSONValue? = nil
    ) async throws -> JSONValue {
        try await answer(method, path, query: query, headers: headers, body: body).json
    }

    /// The same as ``send(_:_:query:headers:body:)``, with the status.
    func answer(
        _ method: String,
        _ path: String,
        query: [(name: String, value: String?)] = [],
        headers: [(name: String, value: String)] = [],
        body: JSONValue? = nil
    ) async throws -> (status: Int, json: JSONValue) {
        let items = query.compactMap { item in item.value.map { (name: item.name, value: $0) } }
        let place = items.isEmpty ? path : "\(path)?\(PercentEncoding.query(items))"
        let response = try await exchange(method, place, headers: headers, body: body?.encoded())
        let json = try? JSONReader.read(response.body)
        if response.status >= 400 { throw failure(response.status, json, path) }
        guard (200..<300).contains(response.status), let json else {
            let place = response.header("location").map { ", and leads to \($0)" } ?? ""
            throw TerapiError(
                .serverError, "\(host) answered \(response.status)\(place). Is this the address of a Terapi server?"
            )
        }
        return (response.status, json)
    }

    /// Sends a request whose answer is passed on, and reads neither body at once.
    func open(
        _ method: String,
        _ path: String,
        headers: [(name: String, value: String)],
        body: ByteFlow?
    ) async throws -> any OutboundAnswer {
        var request = OutboundRequest(
            method: method,
            url: host + path,
            headers: [("Authorization", "Bearer \(key.reveal())")] + headers,
            timeout: .seconds(900),
            purpose: .proxy,
            redirects: .never
        )
        request.asksForCompression = false
        return try await reaching { [request] in try await client.open(request, body: body) }
    }

    /// - Returns: the answer as it is, of whatever status.
    func exchange(
        _ method: String,
        _ path: String,
        headers: [(name: String, value: String)],
        body: [UInt8]?
    ) async throws -> OutboundResponse {
        try await reaching {
            try await client.send(
                OutboundRequest(
                    method: method,
                    url: host + path,
                    headers: [("Authorization", "Bearer \(key.reveal())"), ("Content-Type", "application/json")]
                        + headers,
                    body: body,
                    // Thousands of scripts are looked at one by one before the answer.
                    timeout: .seconds(900),
                    purpose: .script,
                    redirects: .never
                )
            )
        }
    }

    private func reaching<Answer>(_ send: () async throws -> Answer) async throws -> Answer {
        do {
            return try await send()
        } catch let error as TerapiError where error.code == .providerUnreachable {
            throw TerapiError(
                .providerUnreachable,
                "No server answers at \(host). Start one with terapi serve, or name its address with --host.",
                cause: error
            )
        }
    }

    private func failure(_ status: Int, _ answer: JSONValue?, _ path: String) -> TerapiError {
        var error = TerapiError(answer: answer, status: status, server: host)
        switch error.code {
        case _ where status == 401:
            error.message += " Give the API key of the environment in TERAPI_API_KEY or by --api-key."
        case _ where status == 413 && path.hasPrefix("/sync/deploy"):
            error.message += " Deploy the integrations in several folders without --prune."
        case .unknownProviderConfig: error.message += " terapi integrations list shows those that there are."
        case .unknownConnection: error.message += " terapi connections list shows those that there are."
        case .unknownSync: error.message += " terapi syncs list shows those that there are."
        default: break
        }
        return error
    }
}
