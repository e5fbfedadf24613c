import Testing

@testable import TerapiSandbox

struct AuthorizationRequestTests {
    private static let valid = [
        "client_id": "sandbox-client", "redirect_uri": "http://localhost:3003/oauth/callback", "response_type": "code",
        "code_challenge": "c", "code_challenge_method": "S256", "state": "s",
    ]

    @Test(arguments: [
        "http://localhost:3003/oauth/callback", "http://127.0.0.1/x", "http://[::1]:8080/x?y=z", "https://localhost",
    ])
    func `sends the browser back to loopback`(address: String) throws {
        let request = try AuthorizationRequest(
            parameters: Self.valid.merging(["redirect_uri": address]) { $1 },
            options: SandboxOptions()
        )

        #expect(request.redirectURI == address)
    }

    @Test(arguments: [
        "http://localhost.evil.example/x", "http://evil.example/localhost", "http://localhost:80@evil.example/",
        "javascript:alert(1)", "http://127.0.0.1.evil.example", "//localhost/x", "",
    ])
    func `never sends the browser elsewhere`(address: String) {
        let refusal = #expect(throws: AuthorizationRequest.Refusal.self) {
            try AuthorizationRequest(
                parameters: Self.valid.merging(["redirect_uri": address]) { $1 },
                options: SandboxOptions()
            )
        }

        #expect(refusal?.mayRedirect == false)
    }

    @Test(arguments: [
        ("response_type", "token", true), ("code_challenge_method", "plain", true), ("client_id", "other", false),
    ])
    func `refuses what it does not offer`(field: String, value: String, mayRedirect: Bool) {
        let refusal = #expect(throws: AuthorizationRequest.Refusal.self) {
            try AuthorizationRequest(parameters: Self.valid.merging([field: value]) { $1 }, options: SandboxOptions())
        }

        #expect(refusal?.mayRedirect == mayRedirect)
    }

    @Test
    func `compares registered addresses exactly`() {
        var options = SandboxOptions()
        options.redirectURIs = ["http://localhost:3003/oauth/callback/sandbox"]

        #expect(throws: AuthorizationRequest.Refusal.self) {
            try AuthorizationRequest(parameters: Self.valid, options: options)
        }
    }
}
