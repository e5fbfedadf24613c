import TerapiCore
import Testing

@testable import TerapiProviders

struct TemplateFunctionTests {
    private var values: TemplateValues {
        TemplateValues(
            connectionConfig: ["rsa": .string(Self.rsaKey), "ec": .string(Self.ecKey), "comma": "x, y"],
            credentials: .basic(
                username: "AKIDEXAMPLE",
                password: Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
            ),
            // 30 August 2015, 12:36:00
            now: Timestamp(microseconds: 1_440_938_160_000_000)
        )
    }

    private func render(_ template: String, _ url: String = "", body: String = "", type: String? = nil) -> String {
        var values = values
        let headers = type.map { [(name: "Content-Type", value: $0)] } ?? []
        let request = ScriptRequest(method: body.isEmpty ? "GET" : "POST", endpoint: "/given", headers: headers)
        values.request = RequestFacts(request, url: url, body: Array(body.utf8))
        let rendering = Template(template).render(values)
        return rendering.isResolved ? rendering.text : "not resolved"
    }

    // RFC 8032, section 7.1, test 2: the message is the one byte "r".
    @Test(arguments: [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs=",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
            + "-----END PRIVATE KEY-----\n",
    ])
    func `signs with an Ed25519 key in the forms that people have it in`(key: String) {
        var values = values
        values.connectionConfig["key"] = .string(key)

        let rendering = Template("${ed25519Sign(r, ${connectionConfig.key})}").render(values)

        #expect(
            rendering.text
                == "kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA=="
        )
    }

    @Test(arguments: ["short", "", "zz", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
    func `a key that is none signs nothing`(key: String) {
        var values = values
        values.connectionConfig["key"] = .string(key)

        #expect(!Template("${ed25519Sign(r, ${connectionConfig.key})}").render(values).isResolved)
    }

    // What OpenSSL says: openssl pkey -pubout -outform DER | openssl dgst -sha256 -binary | base64
    @Test(arguments: [
        ("${fingerprint(${connectionConfig.rsa})}", "SHA256:6+mRrQjB0RaaKxuxHjwls567xZNPxo8o8bDNqjUgMOg="),
        ("${fingerprint(${connectionConfig.ec})}", "SHA256:oIJbiwZQBzK/a6prardE1W+uygCTdMq1ShKd5KjtmdA="),
        ("a.SHA256:${fingerprint(${connectionConfig.ec})}", "a.SHA256:oIJbiwZQBzK/a6prardE1W+uygCTdMq1ShKd5KjtmdA="),
        ("${fingerprint(no key)}", "not resolved"),
    ])
    func `tells a private key by its public one`(template: String, expected: String) {
        #expect(render(template) == expected)
    }

    // Published with the test suite of Signature Version 4: get-vanilla and get-vanilla-query-order-key-case.
    @Test(arguments: [
        ("https://example.amazonaws.com/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            "https://example.amazonaws.com/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
        ),
    ])
    func `signs for AWS`(url: String, signature: String) {
        let header = render("${awsSigV4(${credentials.username}, ${credentials.password}, us-east-1, service)}", url)

        #expect(
            header == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                + "SignedHeaders=host;x-amz-date, Signature=\(signature)"
        )
    }

    @Test func `the host that is signed for AWS can be another than the request's`() {
        let call = "awsSigV4(${credentials.username}, ${credentials.password}, us-east-1, service"

        let own = render("${\(call))}", "https://example.amazonaws.com/")
        let named = render("${\(call), example.amazonaws.com)}", "https://proxy.example/")

        #expect(named == own)
        #expect(render("${\(call))}", "https://proxy.example/") != own)
    }

    @Test(arguments: [
        ("${method} ${host} ${path}", "", "GET api.example /a%20b"), ("${endpoint}", "", "/given"),
        ("${urlCanonicalParams}", "", "a=1&b=x%20y&c="), ("${params}", "", "a=1&b=x%20y&c="),
        ("${params}", "z=1&y=a%2Bb", "y=a%2Bb&z=1"), ("${bodyCanonicalParams}", "[1, 2]", "%5B1%2C%202%5D="),
        ("${bodyCanonicalParams}", #"{"b":[1],"a":"x y"}"#, "a=x%20y&b=%5B1%5D"),
        ("${contentType}", "x=1", "application/x-www-form-urlencoded"),
    ])
    func `a request's own facts can be signed`(template: String, body: String, expected: String) {
        let url = "https://api.example/a%20b?c=&b=x+y&a=1"

        #expect(render(template, url, body: body, type: "application/x-www-form-urlencoded") == expected)
    }

    @Test func `a body that is neither form nor object is signed as it is`() {
        #expect(render("${bodyCanonicalParams}", "https://a.example", body: "[1, 2]", type: "text/plain") == "[1, 2]")
    }

    @Test func `a line break can be written in a message and does not come from a value`() {
        let plain = render("${hmacSha1Hex(a\\nx, y, key)}")

        #expect(plain == "56f78763694daaec717fa79d9161174bd9be5773")
        #expect(render("${hmacSha1Hex(a\\n${connectionConfig.comma}, key)}") == plain)
    }

    @Test func `what is signed is what is sent`() async throws {
        let client = FakeClient()
        let file = """
            display_name: A
            categories: []
            docs: x
            auth_mode: API_KEY
            proxy:
              base_url: https://a.example/v1
              query: {stamp: "${now:X}"}
              body: {key: "${apiKey}"}
              headers: {x-signature: "${sha256Hex(${method} ${path}?${urlCanonicalParams} ${bodyCanonicalParams})}"}
            """

        let request = ScriptRequest(
            method: "POST",
            endpoint: "/items",
            query: [(name: "page", value: "2")],
            body: Array(#"{"a":1}"#.utf8)
        )
        _ = try await Sample.requests(client, extra: file)
            .send(request, access: Sample.access("acme", credentials: .apiKey(Secret("k"))))
        let sent = try #require(client.requests.first)

        #expect(sent.url.hasSuffix("?stamp=1700000000&page=2") && sent.text == #"{"key":"k","a":1}"#)
        let message = "POST /v1/items?page=2&stamp=1700000000 a=1&key=k"
        #expect(sent.header("x-signature") == hex(sha256(Array(message.utf8))))
    }

    private static let ecKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYeChAZznsD7t/AYN
        9E0XI8L9T8AuVJgDNU8T6SclTcGhRANCAAQmOnuXdSLBS7JGaU9kK3OhG2RDD8e1
        jFPLy2qOuClE01KVHdevkPdeqHyjm077OIpBrqo4D6HrwA6/IkcGqeYi
        -----END PRIVATE KEY-----
        """

    private static let rsaKey = """
        -----BEGIN PRIVATE KEY-----
        MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCfLodR/Udq3X1/
        17EDLTD/Ks47PfN2yD0ziEDH8rh+kIxejkINCDn3T7dke1np3+vyvOTfBaeQr7OH
        GYr/DqYhgsFHb4Q2gBFIi9VroaQnfAytdPcKy3EsM0OXcZas5W7Ay2jxsBKzMaLd
        EQNt1mPwNctIN6dVDCvOwlVqZHAop3R6WiOiYIoytJL0n1dGLMnGV9x2SBDZfZE8
        uN8ANUPH+lO7unPklyvfFzRFPp6TApdr73hZIpuD/lZDA7FASMIACYGnYtSRixk8
        ZsQ9lbnyyun/u3vBje3mfExep2eL1iN7SJffeepu+rDyKcksqpbnvxCmbrBw+ap2
        Vt7iLq+jAgMBAAECggEAGyDR3Q4+Op8uwTfgKftsqz//T6daM7cifwLMj4b1HFTE
        J2U1KoVpY5WJWq2PAEWyL3czxjJvgUAAZ5jZ0GgNtg5TpDoEHUmsKGH0aFhu4m/I
        tVMGuyc6zV6bOVcZZ7PeMSs5Yl8wgKuH5wb8P57W/1wbnd4mPV9Ko/0Ik440cyj5
        sc+XLBaxC+iTEEvyNnwiUgU51mHSwziWSGSpGv9VJ5gaFXIpJ1lM/C3TrXgFxzIB
        Gfm62fWsc+IOuCpsoCC5J6NOrmwY+S0d2nCBwM6GuiGBMVTUaZhdFliwlYit+J6k
        XRZ7U6Zff2uYyDLu8cNGMX9Lt5rhmVsoo1ojvR/HKQKBgQDaikAUzNRIYT9XRgl+
        FK9wHKx/lhdOpkT2DrwjavstjEo8rNF1SFyj23Z8aA8cTrMQiBPNdd5DinICNKhm
        Y62hh6H6BSRPpZwzgH0zsuQ/wIMy5lutqaih0hgDdy7VIzRPUZNLQy7hGFOK47iF
        TuXw1GJsEtRsOUQpQ4WZxdgqjQKBgQC6d5Qt4EFCAr7yRTI/LhbmUqZ75XJyF3TO
        l0kjd4MEQ91XukJBqgoRzT3XlE4USfRAFr7iHE3kX5/vPwlhCUUrDSX+F/JMmXZ+
        sXmpcwKJAs5pfmhcPLA4a6HxV6lEPh+SS5x9XA24dNwuqARR/gkLdWepqs60P3wQ
        2l887AhO7wKBgCNkvJghzEekqFOEHklzJC6uFinbrw6n0wdev42k5+UqkWNeQdYS
        0B4hjwD7AWd+P3Xv8/UUn9ikdW5yBMwAXMCKbOtHJehYVAHrT1uuH1VL4nO95x8r
        GQqMMiNtjAIs323xMj/AM7l07SLTWrEMZCUq4H3MVuboJ2ffbaXH6wiJAoGBAJGD
        VaCDW4mu6OHZO//v8LDmmMMg6DG+ukmp58qErjp611VppeDmWBtSRktgkZnlqHUH
        Cwkau3JXaVDjqWcPO+n/xcFHYK+EJuNxjha9CKJxDTFoEvq/5WjyHZtgJFh7/llF
        Jibx2kcy8sx6E30EuHw3r6DJCavBywi/0QiSzV0DAoGAP+M6A234UIDWg+4qZOOg
        HiTp290PUIJBGs/xueGtU7W9HZTIWtga7/4shPbaUgldWanjuiBOUdaivMA//PWk
        TY00dQS4J8FkVUSdNPrUqxmNbe4qjI1SXWE9qKRLb8fC9nFps6h+nTfuuBfyRMFj
        WZIDS/MlPnvB+/nB/xWpiyY=
        -----END PRIVATE KEY-----
        """
}
