/// A request of a provider to us, as it came.
public struct ProviderWebhookRequest: Sendable, Equatable {
    /// In capitals.
    public var method: String
    /// Where the provider sent it: our public address with path and query exactly as they were written.
    public var url: String
    /// In lower case, in their order, repetitions included.
    public var headers: [Header]
    public var body: [UInt8]

    public struct Header: Sendable, Equatable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public init(method: String, url: String, headers: [Header], body: [UInt8]) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }

    /// The value of a header that is there once. Who sends one twice may mean either: it counts as none.
    public func header(_ name: String) -> String? {
        let values = headers.filter { $0.name == name }
        return values.count == 1 ? values[0].value : nil
    }

    public func hasHeader(_ name: String) -> Bool {
        headers.contains { $0.name == name }
    }

    /// The query's items, decoded; none when one of them cannot be.
    public var query: [(name: String, value: String)] {
        guard let mark = url.firstIndex(of: "?") else { return [] }
        return Self.form(url[url.index(after: mark)...]) ?? []
    }

    /// The value of a query item that is there once.
    public func query(_ name: String) -> String? {
        let values = query.filter { $0.name == name }
        return values.count == 1 ? values[0].value : nil
    }

    static func form(_ text: some StringProtocol) -> [(name: String, value: String)]? {
        var items: [(name: String, value: String)] = []
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentEncoding.decode(parts[0], plusIsSpace: true),
                let value = PercentEncoding.decode(parts.count > 1 ? parts[1] : "", plusIsSpace: true)
            else { return nil }
            items.append((name, value))
        }
        return items
    }
}

/// What a provider is answered.
public struct ProviderWebhookAnswer: Sendable, Equatable {
    public var status: Int
    public var headers: [ProviderWebhookRequest.Header]
    public var body: [UInt8]

    public init(status: Int, headers: [ProviderWebhookRequest.Header] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    public static func json(_ value: JSONValue, status: Int) -> ProviderWebhookAnswer {
        ProviderWebhookAnswer(
            status: status, headers: [.init("content-type", "application/json; charset=utf-8")], body: value.encoded())
    }
}
