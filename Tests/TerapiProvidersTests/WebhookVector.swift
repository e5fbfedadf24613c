import Foundation
import TerapiCore
import Testing

@testable import TerapiProviders

/// One genuine webhook of `Tests/Fixtures/Webhooks/vectors.json`.
struct WebhookVector: Sendable, CustomTestStringConvertible {
    var provider: String
    var isPublished: Bool
    var now: Timestamp
    var rule: ProviderWebhookRule
    var integration: Integration
    var registered: [Secret]
    var keySet: JSONValue?
    var hasAddressToken: Bool
    var request: ProviderWebhookRequest
    var events: [JSONValue]
    var status: Int
    /// What the signature covers: `body`, `url`, `method`, `header:x`.
    var signed: [String]
    /// Where the signature or the word stands; `address` when it is the address.
    var signature: String?
    var isMutable: Bool

    var testDescription: String { "\(provider)\(isPublished ? " (published)" : "")" }

    static let all: [WebhookVector] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Fixtures/Webhooks/vectors.json")
        guard let bytes = try? Data(contentsOf: file), let list = try? JSONReader.read(Array(bytes)).array else {
            return []
        }
        return list.compactMap(WebhookVector.init)
    }()

    private init?(_ json: JSONValue) {
        guard let provider = json["provider"]?.string, let entry = BuiltInWebhooks.entries[provider],
            let now = json["now"]?.int, let client = json["client"]?.array
        else { return nil }
        self.provider = provider
        isPublished = json["source"]?.string == "published"
        self.now = Timestamp(microseconds: Int64(now) * 1_000_000)
        rule = WebhookEntry(json: entry).rule
        integration = Integration(
            scope: EnvironmentScope(environmentID: 1),
            key: provider,
            provider: provider,
            displayName: provider,
            credentials: IntegrationCredentials(
                type: "OAUTH2",
                clientID: client[0].string ?? "",
                clientSecret: Secret(client[1].string ?? ""),
                scopes: []
            ),
            custom: json["settings"]?.object ?? [:],
            createdAt: self.now,
            updatedAt: self.now
        )
        registered = json["registered"]?.string.map { [Secret($0)] } ?? []
        keySet = json["key_set"].flatMap { $0.isNull ? nil : $0 }
        hasAddressToken = json["address_token"]?.bool ?? false
        request = ProviderWebhookRequest(
            method: "POST",
            url: json["url"]?.string ?? "",
            headers: (json["headers"]?.array ?? []).map {
                .init($0.array?[0].string ?? "", $0.array?[1].string ?? "")
            },
            body: Array((json["body"]?.string ?? "").utf8)
        )
        events = json["events"]?.array ?? []
        status = json["status"]?.int ?? 200
        signed = (json["signed"]?.array ?? []).compactMap(\.string)
        signature = json["signature"]?.string
        isMutable = json["mutable"]?.bool ?? true
    }

    func verdict(
        _ request: ProviderWebhookRequest,
        keys: [String: [Secret]]? = nil,
        hasAddressToken: Bool? = nil,
        now: Timestamp? = nil
    ) -> WebhookVerdict {
        let verifier = WebhookVerifier(
            rule: rule,
            keys: keys ?? rule.values(of: integration, registered: registered),
            keySet: keySet,
            now: now ?? self.now
        )
        let content = WebhookContent(request, rule: rule)
        return verifier.verify(content, hasAddressToken: hasAddressToken ?? self.hasAddressToken).0
    }
}
