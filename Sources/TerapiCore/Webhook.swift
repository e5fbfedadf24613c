/// Something that the team's backend is told by a webhook.
public struct WebhookEvent: Sendable, Equatable {
    public enum Kind: String, Sendable {
        case sync, auth
        case asyncAction = "async_action"
        /// What a provider sent, passed on.
        case forward
        case backfillFinished = "backfill.finished"
    }

    /// `msg_` and random characters: the same over all tries, so that a receiver can recognise a repetition.
    public var id: String
    public var scope: EnvironmentScope
    /// The connection's row.
    public var connectionID: Int64?
    public var kind: Kind
    /// The body exactly as it is signed and sent: JSON with sorted keys.
    public var body: [UInt8]
    /// Where it goes: the connection's override, or else the environment's URLs. Empty when none is set.
    public var urls: [String]
    /// Sent besides our own: those of the provider whose webhook is passed on. Names in lower case.
    public var headers: [String: String]
    public var createdAt: Timestamp

    public init(
        id: String = WebhookEvent.newID(),
        scope: EnvironmentScope,
        connectionID: Int64?,
        kind: Kind,
        body: [UInt8],
        urls: [String],
        headers: [String: String] = [:],
        createdAt: Timestamp
    ) {
        self.id = id
        self.scope = scope
        self.connectionID = connectionID
        self.kind = kind
        self.body = body
        self.urls = urls
        self.headers = headers
        self.createdAt = createdAt
    }

    public static func newID() -> String {
        "msg_" + hex(randomBytes(16))
    }
}

/// An event on its way to one URL.
public struct WebhookDelivery: Sendable, Equatable {
    public enum State: String, Sendable {
        case pending, delivered, failed
    }

    public var id: Int64
    public var event: WebhookEvent
    public var url: String
    public var state: State
    /// Tries made so far.
    public var attempts: Int
    public var nextAttemptAt: Timestamp?
    /// Until when its endpoint is left alone, because it has failed too often; see ``EndpointBreaker``.
    public var heldUntil: Timestamp?

    public init(
        id: Int64,
        event: WebhookEvent,
        url: String,
        state: State,
        attempts: Int,
        nextAttemptAt: Timestamp?,
        heldUntil: Timestamp? = nil
    ) {
        self.id = id
        self.event = event
        self.url = url
        self.state = state
        self.attempts = attempts
        self.nextAttemptAt = nextAttemptAt
        self.heldUntil = heldUntil
    }
}

/// One try to deliver an event.
public struct DeliveryAttempt: Sendable, Equatable {
    /// Counted from 1.
    public var number: Int
    public var startedAt: Timestamp
    public var duration: Duration
    /// `nil` when no answer came.
    public var status: Int?
    /// Why it failed, or `nil` when it did not.
    public var error: String?

    public init(number: Int, startedAt: Timestamp, duration: Duration, status: Int?, error: String?) {
        self.number = number
        self.startedAt = startedAt
        self.duration = duration
        self.status = status
        self.error = error
    }
}

/// Signs webhooks by the Standard Webhooks specification, version 1.0.0, and by a plain HMAC of the body.
public enum WebhookSignature {
    /// `whsec_` and 32 random bytes in base64.
    public static func newSecret() -> Secret {
        Secret("whsec_" + Base64.standard.encode(randomBytes(32)))
    }

    /// The headers of one try.
    /// - Parameters:
    ///   - keys: the current key first; during a rotation the replaced ones after it.
    ///   - timestamp: of the try, in seconds.
    /// - Throws: `TerapiError(.serverError)` when a key is not `whsec_` and base64.
    public static func headers(
        id: String,
        timestamp: Int64,
        body: [UInt8],
        keys: [Secret]
    ) throws -> [(name: String, value: String)] {
        let content = Array("\(id).\(timestamp).".utf8) + body
        let decoded = try keys.map(keyBytes)
        let signatures = decoded.map { "v1," + Base64.standard.encode(hmacSHA256(key: $0, content)) }
        // The plain form has no list to rotate over: it follows the current key. Its key is the secret as text,
        // which is what a receiver has in hand.
        let plain = keys.first.map { hex(hmacSHA256(key: Array($0.reveal().utf8), body)) }
        return [
            ("webhook-id", id),
            ("webhook-timestamp", String(timestamp)),
            ("webhook-signature", signatures.joined(separator: " ")),
        ] + (plain.map { [("x-terapi-hmac-sha256", $0)] } ?? [])
    }

    /// Whether a received webhook is genuine by any of the keys.
    /// - Parameter now: the receiver's time in seconds; a timestamp more than five minutes away is refused.
    public static func verify(
        id: String,
        timestamp: String,
        signatures: String,
        body: [UInt8],
        keys: [Secret],
        now: Int64
    ) -> Bool {
        guard !id.isEmpty, !id.contains("."), timestamp.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let seconds = Int64(timestamp), abs(now - seconds) <= 300
        else { return false }
        let content = Array("\(id).\(timestamp).".utf8) + body
        let given = signatures.split(separator: " ").prefix(20)
            .compactMap { $0.hasPrefix("v1,") ? Base64.standard.decode(String($0.dropFirst(3))) : nil }
        return keys.contains { key in
            guard let bytes = try? keyBytes(key) else { return false }
            let expected = hmacSHA256(key: bytes, content)
            return given.contains { constantTimeEqual($0, expected) }
        }
    }

    private static func keyBytes(_ key: Secret) throws -> [UInt8] {
        let text = key.reveal()
        guard text.hasPrefix("whsec_"), let bytes = Base64.standard.decode(String(text.dropFirst(6))), !bytes.isEmpty
        else {
            throw TerapiError(.serverError, "A webhook signing key is not of the form whsec_ and base64.")
        }
        return bytes
    }
}
