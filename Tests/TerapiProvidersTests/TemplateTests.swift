import TerapiCore
import Testing

@testable import TerapiProviders

struct TemplateTests {
    private var values: TemplateValues {
        var values = TemplateValues(
            connectionConfig: ["subdomain": "acme", "port": 8080, "empty": "", "comma": "x, y", "nested": ["a": "b"]],
            integrationConfig: ["host": "api.example"],
            credentials: .basic(username: "alice", password: Secret("pass")),
            clientID: "id",
            clientSecret: Secret("secret"),
            now: Timestamp(microseconds: 1_700_000_000_123_456)
        )
        values.random = "random-1"
        return values
    }

    @Test(arguments: [
        ("plain", "plain"), ("${connectionConfig.subdomain}.x", "acme.x"), ("${connectionConfig.port}", "8080"),
        ("${connectionConfig.nested.a}", "b"), ("${integrationConfig.host}", "api.example"),
        ("Basic ${base64(${credentials.username}:${credentials.password})}", "Basic YWxpY2U6cGFzcw=="),
        ("${username}/${password}", "alice/pass"), ("${clientId}:${clientSecret}", "id:secret"),
        ("${connectionConfig.none} || b", "b"), ("${connectionConfig.subdomain} || b", "acme"),
        ("${connectionConfig.empty} || ${integrationConfig.host}", "api.example"), ("a || b", "a"),
        ("${random}${random}", "random-1random-1"), ("${now}", "2023-11-14T22:13:20+00:00"),
        ("${now:X}", "1700000000"), ("${now:ddd, DD MMM YYYY HH:mm:ss ZZ}", "Tue, 14 Nov 2023 22:13:20 +0000"),
        ("${now+10:minutes:YYYY-MM-DDTHH:mm:ss}", "2023-11-14T22:23:20"), ("${now:YYYYMMDD[T]}", "20231114T"),
        ("${sha256Hex(abc)}", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "${hmacSha1Hex(The quick brown fox jumps over the lazy dog, key)}",
            "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9"
        ),
        ("$ {x} ${", "$ {x} ${"), ("${subdomain}", "acme"),
        // A comma in a value or in the message is no separator of arguments.
        ("${hmacSha1Hex(a, b${connectionConfig.comma}, key)}", "4a003c0abf2dd5c10b69a0e25d5dc4e4ddc17726"),
    ])
    func `fills placeholders in`(template: String, expected: String) {
        let rendering = Template(template).render(values)

        #expect(rendering.text == expected)
        #expect(rendering.isResolved)
    }

    @Test(arguments: [
        "${connectionConfig.none}", "${apiKey}", "${accessToken}", "${base64(${apiKey})}", "${what(1)}", "${}",
        "${credentials.apiKey}",
    ])
    func `leaves what is not known`(template: String) {
        let rendering = Template(template).render(values)

        #expect(rendering.text == template)
        #expect(!rendering.isResolved)
    }

    @Test(arguments: [
        "evil.example/", "evil.example#", "evil.example?", "evil.example\\", "a@evil.example", "evil.example:80/",
        "evil.example%2f", "", ".", "..", "a..b", ".evil.example", "evil.example.", "a b", "a\r\nb", "[::1]", "-a", "ü",
        "evil.example/x.", "//evil.example/", "acme:8080",
    ])
    func `a value in the host cannot lead elsewhere`(subdomain: String) {
        var values = values
        values.connectionConfig["subdomain"] = .string(subdomain)

        let error = #expect(throws: TerapiError.self) {
            try URLTemplate("https://${connectionConfig.subdomain}.zendesk.com/oauth").render(values)
        }

        #expect(error?.code == .invalidBody)
        #expect(error?.issues.first?.path == ["connection_config", "subdomain"])
    }

    @Test(arguments: [
        ("https://${connectionConfig.v}.example.com/x", "a.b-c", "https://a.b-c.example.com/x"),
        ("https://${connectionConfig.v}/x", "host.example:8443", "https://host.example:8443/x"),
        ("${connectionConfig.v}/x", "https://host.example/base/", "https://host.example/base/x"),
        ("${connectionConfig.v}", "https://host.example/o/token/", "https://host.example/o/token/"),
        ("https://a.example/${connectionConfig.v}/y", "v1/items", "https://a.example/v1/items/y"),
        ("https://a.example/?q=${connectionConfig.v}", "a&b=c", "https://a.example/?q=a%26b%3Dc"),
        (
            "https://${connectionConfig.none}.example || https://b.example/${connectionConfig.v}", "x",
            "https://b.example/x"
        ),
    ])
    func `a value fits the place in which it stands`(template: String, value: String, expected: String) throws {
        var values = values
        values.connectionConfig["v"] = .string(value)

        #expect(try URLTemplate(template).render(values) == expected)
    }

    @Test(arguments: [
        ("${connectionConfig.v}/x", "https://user@evil.example"), ("${connectionConfig.v}/x", "evil.example"),
        ("${connectionConfig.v}/x", "https://evil.example/?x="),
        ("${connectionConfig.v}.example.com/x", "https://evil.example"),
        ("https://a.example/${connectionConfig.v}/y", "../../admin"),
        ("https://a.example/${connectionConfig.v}/y", "a?b"),
        ("https://a.example/${connectionConfig.v}/y", "a%2f..%2fb"), ("https://${connectionConfig.v}", "file:///etc"),
        ("${connectionConfig.v}", "http://127.0.0.1\\@evil.example"), ("${connectionConfig.none}/x", "x"),
    ])
    func `a value that does not fit is refused`(template: String, value: String) {
        var values = values
        values.connectionConfig["v"] = .string(value)

        #expect(throws: TerapiError.self) { try URLTemplate(template).render(values) }
    }
}
