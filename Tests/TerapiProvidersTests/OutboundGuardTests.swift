import TerapiCore
import TestSupport
import Testing

@testable import TerapiProviders

struct OutboundGuardTests {
    @Test func `refuses every spelling of a forbidden address`() async throws {
        let urls = ForbiddenAddresses.urls() + ForbiddenAddresses.urls(scheme: "https", port: 8443)
        // Whatever a name might be taken for, the resolver gives what it would mean to a lax reader.
        let outboundGuard = OutboundGuard(resolver: StubResolver(["127.0.0.1"]))

        #expect(Set(ForbiddenAddresses.urls()).count >= 400)
        for url in urls {
            let error = await #expect(throws: TerapiError.self, "\(url)") { _ = try await outboundGuard.target(url) }
            #expect(error?.code == .outboundRefused, "\(url)")
        }
    }

    @Test func `accepts every public place`() async throws {
        let urls = ForbiddenAddresses.publicURLs()
        let outboundGuard = OutboundGuard(resolver: StubResolver(["93.184.216.34", "2606:2800:220:1::1"]))

        #expect(Set(urls).count >= 200)
        for url in urls {
            await #expect(throws: Never.self, "\(url)") { _ = try await outboundGuard.target(url) }
        }
    }

    @Test(arguments: [["10.0.0.5"], ["93.184.216.34", "10.0.0.5"], ["93.184.216.34", "::1"], ["::ffff:10.0.0.1"]])
    func `refuses a name when any of its addresses is forbidden`(addresses: [String]) async throws {
        let outboundGuard = OutboundGuard(resolver: StubResolver(addresses))

        let error = await #expect(throws: TerapiError.self) {
            try await outboundGuard.target("https://api.example.com/")
        }

        #expect(error?.code == .outboundRefused)
        #expect(error?.message.contains("api.example.com") == true)
        #expect(error?.message.contains("TERAPI_OUTBOUND_ALLOW") == true)
        #expect(OutboundFailure.outcome(of: error ?? TerapiError(.serverError, "")) == .notSent)
    }

    @Test func `judges a name that changes its address at every use`() async throws {
        let outboundGuard = OutboundGuard(
            resolver: StubResolver(["93.184.216.34"], ["169.254.169.254"]),
            lifetime: .zero
        )

        let first = try await outboundGuard.target("https://rebind.example.com/")

        #expect(first.addresses.map(\.description) == ["93.184.216.34"])
        await #expect(throws: TerapiError.self) { try await outboundGuard.target("https://rebind.example.com/") }
    }

    @Test func `asks for a name once while its addresses are remembered`() async throws {
        let resolver = StubResolver(["93.184.216.34"])
        let outboundGuard = OutboundGuard(resolver: resolver)

        for _ in 1...3 { _ = try await outboundGuard.target("https://api.example.com/") }

        #expect(resolver.questions == 1)
    }

    @Test(arguments: [
        ("0.0.0.0/0", "127.0.0.1", false), ("0.0.0.0/0", "169.254.169.254", false), ("0.0.0.0/0", "10.1.2.3", true),
        ("0.0.0.0/0", "168.63.129.16", false), ("0.0.0.0/0", "100.100.100.200", false), ("0.0.0.0/0", "0.0.0.0", false),
        ("127.0.0.0/8", "127.0.0.1", true), ("127.0.0.1", "127.0.0.1", true), ("127.0.0.1", "127.0.0.2", false),
        ("169.254.169.254/32", "169.254.169.254", true), ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "192.168.0.1", false), ("::/0", "::1", false), ("::1/128", "::1", true),
        ("::/0", "fd12::1", true), ("fd00::/8", "fd00:ec2::254", false), ("::/0", "::ffff:127.0.0.1", false),
        ("::ffff:0:0/96", "::ffff:127.0.0.1", false), ("127.0.0.0/8", "::ffff:127.0.0.1", false),
        ("64:ff9b::/96", "64:ff9b::a9fe:a9fe", false), ("64:ff9b::/96", "64:ff9b::808:808", true),
        ("::/0", "fe80::1", false), ("100.64.0.0/10", "100.100.100.200", false), ("100.64.0.0/10", "100.64.0.1", true),
    ])
    func `a listed range opens what it names and no more`(range: String, address: String, isOpen: Bool) throws {
        let rules = AddressRules(allowed: [try #require(CIDR(range))])
        let address = try #require(IPAddress(address))

        #expect((rules.reasonToRefuse(address) == nil) == isOpen)
    }

    @Test(arguments: ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1", "10/8", "", "localhost", "::/129", "fe80::/010"])
    func `a range with a slip is not read`(text: String) {
        #expect(CIDR(text) == nil)
    }

    @Test(arguments: [
        ("/next?page=2", "http://a.example:80/next?page=2"), ("?page=2", "http://a.example:80/v1/items?page=2"),
        ("other", "http://a.example:80/v1/other"), ("https://b.example/x", "https://b.example:443/x"),
        ("//b.example/x", "http://b.example:80/x"), ("/\\b.example", "http://a.example:80/%5Cb.example"),
    ])
    func `reads the place that a redirect names`(location: String, expected: String) throws {
        #expect(try OutboundURL("http://a.example/v1/items?x=1").redirected(to: location).text == expected)
    }

    @Test func `writes only what every reader takes the same way`() throws {
        let url = try OutboundURL("HTTP://Example.COM./a b/%2f/ü?page[size]=5&x=%zz&y=\"<>\"#frag")

        #expect(url.text == "http://example.com:80/a%20b/%2f/%C3%BC?page%5Bsize%5D=5&x=%25zz&y=%22%3C%3E%22")
    }
}
