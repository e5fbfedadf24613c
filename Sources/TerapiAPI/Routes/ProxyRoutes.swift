import HTTPTypes
import Hummingbird
import NIOCore
import TerapiCore

/// Customers' own requests through a connection: body and answer pass through without being kept.
struct ProxyRoutes: Sendable {
    static let maxRetries = 10

    let proxy: any ProxyControl
    let clients: ClientWatch
    /// How the names of headers begin that are sent on, in lower case.
    private let prefixes: [String]

    init(proxy: any ProxyControl, clients: ClientWatch, knowsNangoNames: Bool) {
        self.proxy = proxy
        self.clients = clients
        prefixes = ["terapi-proxy-"] + (knowsNangoNames ? ["nango-proxy-"] : [])
    }

    func relay(_ call: Call) async throws -> Response {
        let upload = Upload(call)
        let request = try read(call, upload)
        do {
            let answer = try await clients.whileConnected(call.channel) { try await proxy.open(request) }
            return Relay(answer, upload, call, clients).response
        } catch {
            // Nobody else may read from the caller meanwhile, and an answer means that somebody will.
            await upload?.rest()
            if let error = error as? TerapiError, error.code == .unknownProviderConfig {
                throw StatusError(.notFound, error)
            }
            throw error
        }
    }

    // MARK: The request

    private func read(_ call: Call, _ upload: Upload?) throws -> ProxyRequest {
        let headers = call.request.headers
        var issues: [TerapiError.Issue] = []
        func refuse(_ name: HTTPField.Name, _ message: String) {
            issues.append(TerapiError.Issue(code: "invalid_format", message: message, path: [name.canonicalName]))
        }
        func flag(_ name: HTTPField.Name) -> Bool {
            switch headers[name]?.lowercased() {
            case nil, "false": return false
            case "true": return true
            case _?:
                refuse(name, "Expected true or false.")
                return false
            }
        }

        let integrationKey = call.required(.providerConfigKey, .integrationKey, &issues)
        let connectionID = call.required(.connectionID, .connectionID, &issues)
        let retries = headers[.retries].map { Int($0) } ?? 0
        if retries.map({ !(0...Self.maxRetries).contains($0) }) ?? true {
            refuse(.retries, "Expected a whole number from 0 to \(Self.maxRetries).")
        }
        let retryOn = (headers[.retryOn] ?? "").split(separator: ",").map { Int($0.filter { $0 != " " }) }
        if retryOn.contains(where: { $0.map { !(100...599).contains($0) } ?? true }) {
            refuse(.retryOn, "Expected statuses separated by commas, such as 503,418.")
        }
        let decompresses = flag(.decompress)
        let forwards = flag(.forwardHeadersOnRedirect)
        try Call.check(issues)

        let query = call.request.uri.query.map { "?\($0)" } ?? ""
        return ProxyRequest(
            scope: try call.scope,
            integrationKey: integrationKey,
            connectionID: connectionID,
            request: ScriptRequest(
                method: call.request.method.rawValue,
                endpoint: call.parameter("*") + query,
                baseURLOverride: headers[.baseURLOverride],
                headers: forwarded(headers),
                retries: retries ?? 0,
                retryOn: retryOn.compactMap(\.self)
            ),
            body: upload.map { upload in ByteFlow(length: upload.length, deliver: upload.read) },
            decompresses: decompresses,
            forwardsHeadersOnRedirect: forwards
        )
    }

    /// The headers that are meant for the provider, and the type of the body.
    private func forwarded(_ headers: HTTPFields) -> [(name: String, value: String)] {
        var forwarded: [(name: String, value: String)] = []
        if let type = headers[.contentType] { forwarded.append(("content-type", type)) }
        for header in headers {
            let name = header.name.canonicalName
            guard let prefix = prefixes.first(where: name.hasPrefix), name.utf8.count > prefix.utf8.count else {
                continue
            }
            forwarded.append((String(name.dropFirst(prefix.count)), header.value))
        }
        return forwarded
    }
}
