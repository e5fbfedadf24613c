import ArgumentParser
import TerapiCore
import TerapiProviders

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Which server, and as whom.
struct RemoteOptions: ParsableArguments {
    @Option(help: "Where the server is. Otherwise TERAPI_HOST, or http://localhost:3003.")
    var host: String?

    @Option(help: "The API key of the environment. Otherwise TERAPI_API_KEY, which no list of processes shows.")
    var apiKey: String?

    /// - Throws: `TerapiError(.invalidConfiguration)` that says what is missing.
    func client() throws -> RemoteClient {
        let environment = ProcessInfo.processInfo.environment
        guard let key = apiKey ?? environment["TERAPI_API_KEY"], !key.isEmpty else {
            throw TerapiError(
                .invalidConfiguration,
                "No API key. Give the one of the environment in TERAPI_API_KEY or by --api-key; the server printed it "
                    + "at its first start, and terapi keys create makes another."
            )
        }
        return try RemoteClient(host: host ?? environment["TERAPI_HOST"] ?? "http://localhost:3003", key: Secret(key))
    }
}

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

    func close() async {
        await client.close()
    }

    /// - Returns: the answer's JSON.
    /// - Throws: `TerapiError` with the server's message, and what is wrong where.
    func send(
        _ method: String,
        _ path: String,
        headers: [(name: String, value: String)] = [],
        body: JSONValue? = nil
    ) async throws -> JSONValue {
        let response = try await answer(method, path, headers: headers, body: body)
        let json = try? JSONReader.read(response.body)
        if response.status >= 400 { throw failure(response.status, json?["error"]) }
        guard (200..<300).contains(response.status), let json else {
            let place = response.header("location").map { ", and leads to \($0)" } ?? ""
            throw TerapiError(
                .serverError, "\(host) answered \(response.status)\(place). Is this the address of a Terapi server?"
            )
        }
        return json
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

    private func answer(
        _ method: String,
        _ path: String,
        headers: [(name: String, value: String)],
        body: JSONValue?
    ) async throws -> OutboundResponse {
        try await reaching {
            try await client.send(
                OutboundRequest(
                    method: method,
                    url: host + path,
                    headers: [("Authorization", "Bearer \(key.reveal())"), ("Content-Type", "application/json")]
                        + headers,
                    body: body?.encoded(),
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

    private func failure(_ status: Int, _ error: JSONValue?) -> TerapiError {
        let code = error?["code"]?.string.flatMap(TerapiError.Code.init(rawValue:))
        var message = error?["message"]?.string ?? "\(host) answered \(status)."
        if status == 401 { message += " Give the API key of the environment in TERAPI_API_KEY or by --api-key." }
        if status == 413 { message += " Deploy the integrations in several folders without --prune." }
        let issues = (error?["errors"]?.array ?? []).map { issue in
            TerapiError.Issue(
                code: issue["code"]?.string ?? "",
                message: issue["message"]?.string ?? "",
                path: (issue["path"]?.array ?? []).compactMap(\.string)
            )
        }
        return TerapiError(code ?? .serverError, message, issues: issues)
    }
}
