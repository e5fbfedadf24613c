import TerapiCore

/// The public keys that providers publish, fetched when they are needed and kept for an hour.
actor WebhookKeySets {
    private static let life = Duration.seconds(3600)
    /// How often an unknown key may make us ask again.
    private static let pause = Duration.seconds(60)

    private struct Known {
        var keys: JSONValue?
        var fetchedAt: Timestamp
    }

    private let services: EngineServices
    private var known: [String: Known] = [:]
    private var fetching: [String: Task<JSONValue?, Never>] = [:]

    init(services: EngineServices) {
        self.services = services
    }

    /// - Throws: `TerapiError(.storageUnavailable)` when there are no keys: the provider sends it again.
    func keySet(_ url: String, keyID: String?) async throws -> JSONValue {
        let now = services.clock.now
        if let entry = known[url], let keys = entry.keys {
            let isFresh = now - entry.fetchedAt < Self.life
            let isThere = keyID == nil || (keys["keys"]?.array ?? []).contains { $0["kid"]?.string == keyID }
            if isFresh, isThere || now - entry.fetchedAt < Self.pause { return keys }
        }
        if let entry = known[url], entry.keys == nil, now - entry.fetchedAt < .seconds(1) { throw Self.unreachable }
        // One request, however many wait for it.
        let task = fetching[url] ?? Task { [services] in await Self.fetch(url, services) }
        fetching[url] = task
        let fetched = await task.value
        fetching[url] = nil
        let keys = fetched ?? known[url]?.keys
        known[url] = Known(keys: keys, fetchedAt: services.clock.now)
        guard let keys else { throw Self.unreachable }
        return keys
    }

    private static func fetch(_ url: String, _ services: EngineServices) async -> JSONValue? {
        let request = OutboundRequest(
            method: "GET", url: url, timeout: .seconds(5), purpose: .verification, maxAnswerBytes: 1_000_000)
        guard let response = try? await services.client.send(request), response.status == 200 else { return nil }
        return try? JSONReader.read(response.body)
    }

    private static var unreachable: TerapiError {
        TerapiError(.storageUnavailable, "The keys of the provider cannot be fetched now. Send it again later.")
    }
}
