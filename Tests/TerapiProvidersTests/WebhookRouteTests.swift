import TerapiCore
import Testing

@testable import TerapiProviders

/// By what the events of the catalogue's providers find their connections, beside what connections have.
struct WebhookRouteTests {
    private static let providers = (try? ProviderCatalog.load().providers) ?? []
    private static let names = BuiltInWebhooks.entries.keys.sorted()

    private static func rule(_ name: String) throws -> ProviderWebhookRule {
        WebhookEntry(json: try #require(BuiltInWebhooks.entries[name])).rule
    }

    /// The providers whose events come by the rule of this name.
    private static func users(of name: String) -> [Provider] {
        providers.filter { provider in
            provider.name == name || BuiltInWebhooks.entries[provider.name] == nil && provider.alias == name
        }
    }

    /// The members of a connection's config that an authorization writes, or that the file says somebody has to give.
    private static func known(_ provider: Provider) -> Set<String> {
        let written = (provider.oauth2?.tokenResponseMetadata ?? []) + (provider.oauth2?.redirectURIMetadata ?? [])
        return Set(written + provider.connectionConfig.map(\.name))
    }

    /// The names in a rule that no connection of these providers can have.
    private static func unknown(_ rule: ProviderWebhookRule, _ providers: [Provider]) -> [String] {
        rule.routes.compactMap { route in
            guard case .field(let name) = route.match else { return nil }
            return providers.contains { known($0).contains(name) } ? nil : name
        }
    }

    @Test func `two rules have no provider file: one API was shut off, of the other too little is known`() {
        #expect(Self.names.filter { Self.users(of: $0).isEmpty } == ["fitbit", "suunto"])
    }

    @Test(arguments: names.filter { !users(of: $0).isEmpty })
    func `what an event is matched by is there`(name: String) throws {
        let rule = try Self.rule(name)

        #expect(Self.unknown(rule, Self.users(of: name)) == [])
        // An event that finds its connection by nothing needs an address of the connection's own.
        #expect(!rule.routes.isEmpty || rule.isPerConnection)
    }

    @Test func `the control: a name that nobody writes is found`() throws {
        var rule = try Self.rule("strava")
        rule.routes[0].match = .field("user_id")
        #expect(Self.unknown(rule, Self.users(of: "strava")) == ["user_id"])
    }

    @Test func `what finds a connection is not the end user's to choose`() throws {
        let given: JSONObject = [
            "subdomain": "acme", "tenant_id": "t-1", "tenantId": "t-2", "portalId": "p-1", "stripe_user_id": "acct_2",
            "else": "x",
        ]
        func refused(_ name: String) throws -> [String?] {
            let provider = try #require(Self.providers.first { $0.name == name })
            do {
                try provider.checkGivenByEndUser(given)
                return []
            } catch let error as TerapiError {
                return error.issues.map(\.path.last)
            }
        }

        #expect(try refused("hubspot") == ["portalId"])
        #expect(try refused("xero") == ["tenantId"])
        #expect(try refused("stripe") == ["stripe_user_id"])
        // The shop is where the credentials come from.
        #expect(try refused("shopify") == [])
        #expect(try refused("oauth2-generic") == [], "the control: no webhooks, nothing to find")
    }

    @Test(arguments: providers.map(\.name))
    func `an end user is not asked for it either`(name: String) throws {
        let provider = try #require(Self.providers.first { $0.name == name })
        let asked = provider.connectionConfig.filter { !$0.isHidden && !$0.isAutomated }.map(\.name)
        #expect(asked.filter { !provider.isOwn($0) } == [])
    }
}
