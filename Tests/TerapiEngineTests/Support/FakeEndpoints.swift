import Synchronization
import TerapiCore

/// The customer's webhook endpoints.
final class FakeEndpoints: OutboundClient {
    typealias Endpoint = @Sendable (OutboundRequest) async throws -> OutboundResponse

    private struct State {
        var endpoints: [String: Endpoint] = [:]
        var requests: [OutboundRequest] = []
    }

    private let state = Mutex(State())

    /// Requests that have arrived.
    let arrived = Counter()

    var requests: [OutboundRequest] { state.withLock { $0.requests } }

    func requests(to url: String) -> [OutboundRequest] {
        requests.filter { $0.url == url }
    }

    func set(_ url: String, _ endpoint: @escaping Endpoint) {
        state.withLock { $0.endpoints[url] = endpoint }
    }

    func set(_ url: String, status: Int, headers: [(name: String, value: String)] = []) {
        set(url) { OutboundResponse(status: status, headers: headers, body: [], url: $0.url) }
    }

    func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        let endpoint = state.withLock { state in
            state.requests.append(request)
            return state.endpoints[request.url]
        }
        arrived.increment()
        guard let endpoint else { return OutboundResponse(status: 200, headers: [], body: [], url: request.url) }
        return try await endpoint(request)
    }

    func open(_ request: OutboundRequest, body: ByteFlow?) async throws -> any OutboundAnswer {
        throw TerapiError(.serverError, "Nothing is streamed to an endpoint.")
    }
}

extension OutboundRequest {
    func header(_ name: String) -> String {
        headers.first { $0.name == name }?.value ?? ""
    }

    /// Whether the standard signature is good.
    func isSigned(with key: Secret, now: Timestamp) -> Bool {
        WebhookSignature.verify(
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signatures: header("webhook-signature"),
            body: body ?? [],
            keys: [key],
            now: now.unixSeconds
        )
    }
}
