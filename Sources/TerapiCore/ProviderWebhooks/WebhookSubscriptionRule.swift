/// How a webhook is registered at a provider, kept alive and taken back, in the name of a connection.
public struct WebhookSubscriptionRule: Sendable {
    /// A request of which every text may hold `${…}`: `webhookUrl`, `webhookSecret`, `subscription.id`,
    /// `subscription.<answer member>`, `expires`, `expiresMs`, `params.x`, `connectionConfig.x`, `metadata.x`.
    public struct Request: Sendable {
        public var method: String
        public var endpoint: String
        public var headers: [(name: String, value: String)]
        public var query: [(name: String, value: String)]
        /// Sent as JSON.
        public var data: JSONValue?

        public init(
            method: String,
            endpoint: String,
            headers: [(name: String, value: String)] = [],
            query: [(name: String, value: String)] = [],
            data: JSONValue? = nil
        ) {
            self.method = method
            self.endpoint = endpoint
            self.headers = headers
            self.query = query
            self.data = data
        }
    }

    public var create: Request
    /// `nil`: a new one is made before the old one ends.
    public var renew: Request?
    public var delete: Request?
    /// In the answer: the provider's id, its secret, and when it ends.
    public var id: WebhookExpression?
    public var secret: WebhookExpression?
    public var expires: WebhookExpression?
    /// How long it lives when the answer does not tell.
    public var lifetime: Duration?
    /// What the caller must give under `params`.
    public var params: [String]

    public init(create: Request) {
        self.create = create
        params = []
    }
}
