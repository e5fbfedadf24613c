import HTTPTypes
import Hummingbird
public import Logging
import NIOCore
public import ServiceLifecycle
import Synchronization
public import TerapiCore

/// Plays the customer's backend: takes webhooks at any path, verifies both signatures, and hands the events on.
///
/// What does not verify is answered with 401 and not handed on.
public final class WebhookReceiver: Service {
    public struct Delivery: Sendable, Equatable {
        public var id: String
        public var path: String
        public var body: JSONValue
        public var receivedAt: Timestamp
    }

    private struct Behaviour {
        var failures: [(status: Int, retryAfterSeconds: Int?)] = []
        var refused = 0
    }

    /// Every verified delivery in its order, those that were answered with an ordered failure left out. One reader.
    public let deliveries: AsyncStream<Delivery>

    private let port: Int
    private let signingKey: Mutex<Secret?>
    private let clock: any WallClock
    private let logger: Logger
    private let onListening: @Sendable (String) async -> Void
    private let continuation: AsyncStream<Delivery>.Continuation
    private let behaviour = Mutex(Behaviour())

    /// - Parameters:
    ///   - port: on 127.0.0.1; 0 takes a free one.
    ///   - signingKey: `whsec_…`; may follow later by ``trust(_:)``, and until then nothing verifies.
    ///   - onListening: is told the address, `http://127.0.0.1:PORT`, once requests are answered.
    public init(
        port: Int = 0,
        signingKey: Secret? = nil,
        clock: any WallClock,
        logger: Logger,
        onListening: @escaping @Sendable (String) async -> Void = { _ in }
    ) {
        self.port = port
        self.signingKey = Mutex(signingKey)
        self.clock = clock
        self.logger = logger
        self.onListening = onListening
        (deliveries, continuation) = AsyncStream.makeStream(of: Delivery.self)
    }

    /// Answers requests until the graceful shutdown, then ends ``deliveries``.
    public func run() async throws {
        defer { continuation.finish() }
        let port = port
        let onListening = onListening
        let application = Application(
            router: router(),
            configuration: .init(address: .hostname("127.0.0.1", port: port), serverName: "terapi-receiver"),
            onServerRunning: { channel in
                await onListening("http://127.0.0.1:\(channel.localAddress?.port ?? port)")
            },
            logger: logger
        )
        try await application.run()
    }

    /// From now on webhooks must be signed with this key.
    public func trust(_ key: Secret) {
        signingKey.withLock { $0 = key }
    }

    /// Answers the next deliveries with this status, as a backend in trouble does.
    public func fail(times: Int = 1, status: Int, retryAfterSeconds: Int? = nil) {
        behaviour.withLock { behaviour in
            behaviour.failures.append(
                contentsOf: repeatElement((status: status, retryAfterSeconds: retryAfterSeconds), count: times)
            )
        }
    }

    /// How many requests did not verify.
    public var refusedCount: Int {
        behaviour.withLock { $0.refused }
    }

    func router() -> Router<BasicRequestContext> {
        let router = Router()
        router.post("**") { request, _ in try await self.receive(request) }
        return router
    }

    private func receive(_ request: Request) async throws -> Response {
        let bytes = Array((try await request.body.collect(upTo: 10 * 1024 * 1024)).readableBytesView)
        let now = clock.now
        guard let id = verifiedID(of: request.headers, body: bytes, at: now) else {
            behaviour.withLock { $0.refused += 1 }
            return .error("invalid_signature", "The webhook is not signed with the key.", status: .unauthorized)
        }
        if let failure = behaviour.withLock({ $0.failures.isEmpty ? nil : $0.failures.removeFirst() }) {
            var answer = Response(status: .init(code: failure.status))
            if let seconds = failure.retryAfterSeconds { answer.headers[.retryAfter] = String(seconds) }
            return answer
        }
        guard let body = try? JSONReader.read(bytes) else {
            return .error("invalid_body", "The webhook is not JSON.", status: .badRequest)
        }
        continuation.yield(Delivery(id: id, path: request.uri.path, body: body, receivedAt: now))
        return Response(status: .noContent)
    }

    private func verifiedID(of headers: HTTPFields, body: [UInt8], at now: Timestamp) -> String? {
        func value(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
        guard let key = signingKey.withLock({ $0 }),
            let id = value("webhook-id"), let timestamp = value("webhook-timestamp"),
            let signatures = value("webhook-signature"), let plain = value("x-terapi-hmac-sha256"),
            constantTimeEqual(plain.utf8, hex(hmacSHA256(key: Array(key.reveal().utf8), body)).utf8),
            WebhookSignature.verify(
                id: id,
                timestamp: timestamp,
                signatures: signatures,
                body: body,
                keys: [key],
                now: now.unixSeconds
            )
        else { return nil }
        return id
    }
}
