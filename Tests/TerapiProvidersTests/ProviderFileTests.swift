import TerapiCore
import TerapiProviders
import Testing

/// Files that hold many providers by their names.
struct ProviderFileTests {
    private func read(_ text: String) -> ProviderCatalog.Reading {
        ProviderCatalog.read([ProviderCatalog.File(path: "many.yaml", name: "many", text: text)])
    }

    private func entry(_ name: String, _ lines: String = "auth_mode: NONE") -> String {
        let inner = "display_name: \(name)\ncategories: [crm]\ndocs: https://\(name).example\n" + lines
        return "\(name):\n" + inner.split(separator: "\n").map { "  \($0)\n" }.joined()
    }

    @Test func `a file may hold many providers by their names`() {
        let reading = read(entry("a") + entry("b") + "c: {alias: a, display_name: See}\n")

        #expect(reading.errors == [])
        #expect(reading.providers.map(\.name) == ["a", "b", "c"])
        #expect(reading.providers.map(\.displayName) == ["a", "b", "See"])
    }

    @Test func `an alias takes over every key but its own, through any number of aliases in any order`() throws {
        let text =
            "c: {alias: b, proxy: {base_url: 'https://c.example'}}\n" + "b: {alias: a, default_scopes: [b]}\n"
            + entry(
                "a",
                """
                auth_mode: OAUTH2
                authorization_url: https://a.example/authorize
                token_url: https://a.example/token
                default_scopes: [a]
                proxy: {base_url: 'https://a.example', headers: {x: y}}
                """
            )

        let reading = read(text)
        let provider = try #require(reading.providers.last)

        #expect(reading.errors == [])
        #expect(provider.name == "c" && provider.displayName == "a")
        #expect(provider.oauth2?.tokenURL == "https://a.example/token")
        #expect(provider.oauth2?.defaultScopes == ["b"])
        #expect(provider.proxy.baseURL == "https://c.example" && provider.proxy.headers.isEmpty)
    }

    @Test(arguments: [
        (
            "x: {alias: y}\ny: {alias: z}\nz: {alias: x}",
            ["many.yaml:1:12: The alias leads back to itself: x → y → z → x."]
        ),
        ("x:\n  alias: nowhere\ny: {alias: x}", ["many.yaml:2:10: The alias \"nowhere\" names no provider."]),
        ("a: {alias: b}\nno name: {alias: a}\nb: {}", ["many.yaml:2:1: \"no name\": a provider's name has letters"]),
        ("a: {alias: b}\nb: 5", ["many.yaml:2:4: \"b\": expected the map of a provider, found \"5\"."]),
        ("[]", ["many.yaml:1:1: Expected a map"]),
        ("", ["many.yaml: Expected a map"]),
    ])
    func `names file and line of what is wrong with the whole`(text: String, expected: [String]) {
        let errors = read(text).errors.map(\.description)

        for line in expected { #expect(errors.contains { $0.hasPrefix(line) }, "\(errors)") }
    }

    @Test func `a mistake is told where it is written and not by every alias of it`() {
        let text = entry("a", "auth_mode: NONE\nproxi: {}") + "b: {alias: a}\n"

        #expect(read(text).errors.map(\.line) == [6])
    }

    @Test(arguments: [
        ("auth_mode: OAUTH2\ntoken_url: x", "a: \"authorization_url\" is missing: OAUTH2 needs it."),
        ("auth_mode: OAUTH1\ntoken_url: x\nauthorization_url: x", "\"request_url\" is missing: OAUTH1 needs it."),
        ("auth_mode: TWO_STEP\ntoken_url: x", "\"token_response\" is missing: TWO_STEP needs it."),
        ("auth_mode: JWT\nsignature: {protocol: RSA}", "\"token\" is missing: JWT needs it."),
        ("scope_separator: x", "\"auth_mode\" is missing"),
    ])
    func `says what an auth mode needs`(lines: String, expected: String) {
        let errors = read(entry("a", lines)).errors

        #expect(errors.count == 1 && errors[0].line == 1)
        #expect(errors.first?.message.contains(expected) == true, "\(errors)")
    }

    @Test func `an installation that begins at the provider needs no authorization address`() {
        let reading = read(entry("a", "auth_mode: OAUTH2\ntoken_url: https://a.example\ninstallation: outbound"))

        #expect(reading.errors == [])
    }

    @Test(arguments: [
        ("base_url: https://${nothing}.example", "nothing is named \"${nothing}\"."),
        ("base_url: https://${acessToken}.example", "Did you mean \"${accessToken}\"?"),
        ("base_url: https://${other.field}", "nothing is named \"${other.field}\"."),
        ("headers: {x: '${sha512(${apiKey})}'}", "there is no function sha512()."),
        ("headers: {x: '${base46(${apiKey})}'}", "Did you mean base64()?"),
        ("headers: {x: '${base64(${apiKy})}'}", "nothing is named \"${apiKy}\"."),
        ("headers: {x: '${hmacSha1Hex(${apiKey})}'}", "hmacSha1Hex() takes 2 arguments."),
        ("headers: {x: '${awsSigV4(a, b)}'}", "awsSigV4() takes 4 or 5 arguments."),
        ("headers: {x: '${apiKey'}", "a \"${\" is never closed."),
        ("headers: {'${oops}': x}", "nothing is named \"${oops}\"."),
        ("query: {x: '${now+5:fortnights:X}'}", "nothing is named \"${now+5:fortnights:X}\"."),
        ("body: {x: {y: ['${oops}']}}", "nothing is named \"${oops}\"."),
        ("verification: {endpoints: ['/${oops}']}", "nothing is named \"${oops}\"."),
    ])
    func `a template that nothing can fill is a mistake`(line: String, expected: String) {
        let errors = read(entry("a", "auth_mode: API_KEY\nproxy:\n  " + line)).errors

        #expect(errors.map(\.line) == [7], "\(errors)")
        #expect(errors.first?.message.contains(expected) == true, "\(errors)")
    }

    @Test(arguments: [
        ("base_url: https://${connectionConfig.host}", "connection_config has no \"host\""),
        ("base_url: https://${integrationConfig.host}", "integration_config has no \"host\""),
        ("headers: {x: '${credentials.pin}'}", "credentials has no \"pin\""),
    ])
    func `a value that no form asks for is a warning`(line: String, expected: String) {
        let reading = read(entry("a", "auth_mode: API_KEY\nproxy:\n  " + line))

        #expect(reading.errors == [])
        #expect(reading.warnings.map(\.line) == [7])
        #expect(reading.warnings.first?.message.contains(expected) == true)
    }

    @Test func `values that callback and token answer bring are known`() {
        let lines = """
            auth_mode: OAUTH2
            authorization_url: https://a.example
            token_url: https://a.example
            token_response_metadata: [team.id]
            redirect_uri_metadata: [realm]
            connection_configuration: [portal]
            proxy:
              base_url: https://${connectionConfig.realm}.example || https://${connectionConfig.portal}.example
              headers: {x: "${connectionConfig.team.id}"}
            """

        #expect(read(entry("a", lines)).warnings == [])
    }

    @Test func `an empty name switches a handler off and is no reason for a warning`() {
        let named = read(entry("a", "auth_mode: NONE\nwebhook_routing_script: aRouting"))
        let empty = read(entry("a", "auth_mode: NONE\nwebhook_routing_script: ''"))
        let nothing = read(entry("a", "auth_mode: NONE\nwebhook_routing_script:"))

        #expect(named.warnings.map(\.line) == [6] && named.errors == [])
        #expect(empty.warnings == [] && empty.errors == [])
        #expect(nothing.warnings == [] && nothing.errors == [])
    }

    @Test func `a pattern that cannot be understood is said`() {
        let reading = read(entry("a", "auth_mode: NONE\nconnection_config:\n  x: {title: X, pattern: '(?P<a'}"))

        let message = "\"connection_config.x.pattern\" cannot be understood: any value is taken."
        #expect(reading.warnings.map(\.message) == [message])
    }

    @Test func `a provider that two files of a folder hold is said`() {
        let files = ["one.yaml", "two.yaml"].map { ProviderCatalog.File(path: $0, name: "a", text: entry("a")) }

        let reading = ProviderCatalog.read(files)

        #expect(reading.providers.count == 1)
        #expect(reading.warnings.map(\.description) == ["two.yaml:1:1: This \"a\" replaces the one in one.yaml."])
    }

    @Test func `a provider is written as a file that says the same`() throws {
        let file = try #require(try ProviderCatalog.load().provider("google-mail")).file

        let again = ProviderCatalog.read([ProviderCatalog.File(path: "x.yaml", name: "x", text: file)])

        #expect(again.errors == [])
        let provider = try #require(again.providers.first)
        #expect(provider.oauth2?.tokenURL == "https://oauth2.googleapis.com/token")
        #expect(provider.proxy.baseURL == "https://gmail.googleapis.com")
        #expect(provider.entry["alias"] == nil)
    }
}
