import TerapiCore
import TerapiProviders
import TerapiScripts

/// Sends every request to one address: path and query are kept, whatever host the script names.
struct BaseURLServer: DryrunServer {
    private static let maxRedirects = 5

    private let client = ProviderClient(guardedBy: OutboundGuard(allowed: PersonalNetworks.all))
    let baseURL: String
    /// Added to each request where the script sets none of this name.
    let headers: [(name: String, value: String)]

    init(baseURL: String, headers: [(name: String, value: String)] = []) {
        self.baseURL = String(baseURL.reversed().drop { $0 == "/" }.reversed())
        self.headers = headers
    }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        let own = Set(request.headers.map { $0.name.lowercased() })
        var outbound = OutboundRequest(
            method: request.method.uppercased(),
            url: baseURL + request.target,
            headers: request.headers + headers.filter { !own.contains($0.name.lowercased()) },
            body: request.body,
            purpose: .script,
            redirects: .never
        )
        var response = try await client.send(outbound)
        var redirects = 0
        while let location = response.header("location"), (300..<400).contains(response.status),
            redirects < Self.maxRedirects
        {
            redirects += 1
            if response.status == 303 || (outbound.method == "POST" && response.status < 303) {
                outbound.method = "GET"
                outbound.body = nil
            }
            outbound.url = baseURL + ScriptRequest.path(of: location)
            response = try await client.send(outbound)
        }
        return ScriptResponse(status: response.status, headers: response.headers, body: response.body)
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue? { nil }
}
