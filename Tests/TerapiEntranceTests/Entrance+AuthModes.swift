import HTTPTypes
import Synchronization
import TerapiCore
import TestSupport

extension Entrance {
    /// Where the modes other than OAuth 2 ask: what people enter, and what servers say of themselves.
    static let authModes = [
        Entrance(
            name: "the address of an MCP server that an end user enters",
            codes: ["page"],
            rules: [.root],
            isJourney: true,
            setting: { _, _ in .init(providers: ["mcp": mcp], trapAnswer: described) },
            attempt: { installation, urls in
                try await installation.makeIntegration("mcp", provider: "mcp")
                return try await urls.verdicts { _, url in
                    try await open(installation, server: url)
                }
            }
        ),
        Entrance(
            name: "the token endpoint that an MCP server names",
            codes: ["page"],
            rules: [.server],
            isJourney: true,
            needsNeighbour: true,
            setting: { _, _ in .init(providers: ["mcp": mcp]) },
            attempt: { installation, urls in
                let next = Mutex("")
                return try await Neighbour.with { request in
                    describe("http://\(request.headers["host"] ?? "")", tokenURL: next.withLock { $0 })
                } use: { neighbour in
                    try await installation.makeIntegration("mcp", provider: "mcp")
                    return try await urls.verdicts { _, url in
                        next.withLock { $0 = url }
                        return try await open(installation, server: neighbour, finishes: true)
                    }
                }
            }
        ),
        Entrance(
            name: "integration_config as the address where roles are taken on",
            codes: ["outbound_refused", "invalid_body"],
            rules: [.root],
            isJourney: true,
            setting: { _, _ in .init(trapAnswer: { _ in .json(roles) }) },
            attempt: { installation, urls in
                let config: JSONObject = [
                    "service": "s", "access_key_id": "k", "secret_access_key": "s", "base_url": "https://api.example",
                ]
                try await installation.makeIntegration("aws", provider: "aws-sigv4-generic", config: config)
                return try await urls.verdicts { _, url in
                    try await installation.prepare(
                        .patch, "/integrations/aws", ["integration_config": ["sts_url": .string(url)]]
                    )
                    return try await type(
                        "/auth/aws-sigv4/aws",
                        ["role_arn": "arn:aws:iam::123456789012:role/r", "region": "eu-central-1"],
                        installation
                    )
                }
            }
        ),
        Entrance(
            name: "the answer of a first step as the address of the second",
            codes: ["outbound_refused", "invalid_body"],
            rules: [.root],
            isJourney: true,
            needsNeighbour: true,
            setting: { _, _ in .init(providers: ["steps": steps]) },
            attempt: { installation, urls in
                let next = Mutex("")
                return try await Neighbour.with { _ in
                    .json(JSONValue.object(["door": .string(next.withLock { $0 })]).text())
                } use: { neighbour in
                    try await installation.makeIntegration(
                        "steps", provider: "steps", config: ["root": .string(neighbour)])
                    return try await urls.verdicts { _, url in
                        next.withLock { $0 = url }
                        return try await type("/auth/two-step/steps", [:], installation)
                    }
                }
            }
        ),
    ]

    private static let mcp = """
        display_name: MCP
        categories: [mcp]
        docs: https://docs.example
        auth_mode: MCP_OAUTH2_GENERIC
        connection_config: {mcp_server_url: {type: string, title: Server}}
        proxy: {base_url: "${connectionConfig.mcp_server_url}"}
        """

    private static let steps = """
        display_name: Steps
        categories: [other]
        docs: https://docs.example
        auth_mode: TWO_STEP
        token_url: ${integrationConfig.root}/find
        additional_steps: [{token_url: "${step1.door}"}]
        token_response: {token: access_token}
        integration_config: {root: {type: string, title: Root}}
        """

    private static let roles = """
        <AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>k</AccessKeyId>
        <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken></Credentials></AssumeRoleResult>
        </AssumeRoleResponse>
        """

    @Sendable private static func described(_ request: LoopbackServer.Request) -> LoopbackServer.Answer {
        let root = "http://\(request.headers["host"] ?? "")"
        return describe(root, tokenURL: "\(root)/token")
    }

    /// Whatever is asked: the resource, its server, a registration and a token.
    private static func describe(_ root: String, tokenURL: String) -> LoopbackServer.Answer {
        .json(
            JSONValue.object([
                "issuer": .string(root), "authorization_endpoint": "https://login.example/authorize",
                "token_endpoint": .string(tokenURL), "registration_endpoint": .string("\(root)/register"),
                "client_id": "c", "access_token": "t",
            ]).text()
        )
    }

    private static func session(_ installation: Installation) async throws -> String {
        let session = try await installation.prepare(.post, "/connect/sessions", ["end_user": ["id": "u"]])
        return session["data"]?["token"]?.string ?? ""
    }

    private static func type(_ path: String, _ body: JSONValue, _ installation: Installation) async throws -> Verdict {
        let token = try await session(installation)
        return try await installation.call(.post, path, body, headers: [(.authorization, "Bearer \(token)")]).verdict
    }

    /// Sends a browser to the server, and back if it has to see the token too.
    private static func open(
        _ installation: Installation,
        server: String,
        finishes: Bool = false
    ) async throws -> Verdict {
        let token = try await session(installation)
        let config = "params%5Bmcp_server_url%5D=\(percentEncoded(server))"
        let begun = try await installation.call(
            .get,
            "/oauth/connect/mcp?connect_session_token=\(token)&redirected=true&\(config)",
            headers: [(.authorization, "Bearer \(token)")]
        )
        guard begun.status == 302, let location = begun.headers[.location] else { return begun.verdict }
        guard finishes, let state = location.split(separator: "&").first(where: { $0.hasPrefix("state=") }) else {
            return .reached
        }
        let cookie = begun.headers[.setCookie]?.split(separator: ";").first.map(String.init) ?? ""
        return try await installation.call(
            .get, "/oauth/callback/mcp?code=c&\(state)", headers: [(.cookie, cookie)]
        ).verdict
    }
}
