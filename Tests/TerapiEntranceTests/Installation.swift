import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import Synchronization
import TerapiCore
import TerapiEngine
import TerapiProviders
import TerapiSQLite
import TerapiScripts
import TerapiStorage
import TestSupport

@testable import TerapiAPI

/// A whole server without its port: every room is the real one, wired as the executable does it, and only the names of
/// hosts are answered by the test.
struct Installation: Sendable {
    /// Stands where nothing may go: on 127.0.0.1, under the same port that the forbidden URLs name.
    let trap: LoopbackServer
    let names: TrapNames
    let providers: ProviderRequests
    let client: ProviderClient
    let storage: SQLStorage
    let engine: Engine
    let scope: EnvironmentScope
    let permitsTrap: Bool
    private let key: Token
    private let http: any TestClientProtocol

    /// What a test may bring along.
    struct Setting: Sendable {
        /// Networks that `--outbound-allow` would list.
        var allowed: [String] = []
        /// Provider files by name.
        var providers: [String: String] = [:]
        var syncs: [SyncDefinition] = []
        /// What the trap answers to whom it has caught.
        var trapAnswer: (@Sendable (LoopbackServer.Request) -> LoopbackServer.Answer)?

        var permitsTrap: Bool { allowed.contains("127.0.0.0/8") }
    }

    /// - Parameter setting: is made from the port of the trap.
    static func with<Result: Sendable>(
        _ setting: (_ trapPort: Int) throws -> Setting,
        use body: @escaping @Sendable (Installation) async throws -> Result
    ) async throws -> Result {
        let page = Mutex<(@Sendable (LoopbackServer.Request) -> LoopbackServer.Answer)?>(nil)
        let trap = try await LoopbackServer { request in
            page.withLock { $0 }?(request) ?? .json(#"{"access_token":"at","refresh_token":"rt","items":[]}"#)
        }
        let names = TrapNames()
        let setting = try setting(trap.port)
        page.withLock { $0 = setting.trapAnswer }
        let folder = try TemporaryFolder()
        let client = ProviderClient(
            guardedBy: OutboundGuard(allowed: setting.allowed.compactMap(CIDR.init), resolver: names),
            connectTimeout: .seconds(2)
        )
        let scripts = ScriptHost(executable: FixtureProgram.scriptHost, arguments: ["script-host"])
        do {
            let result = try await open(setting, trap, names, client, scripts, folder, body)
            await close(client, scripts, trap)
            return result
        } catch {
            await close(client, scripts, trap)
            throw error
        }
    }

    private static func close(_ client: ProviderClient, _ scripts: ScriptHost, _ trap: LoopbackServer) async {
        scripts.stop()
        await client.close()
        await trap.close()
    }

    private static func open<Result: Sendable>(
        _ setting: Setting,
        _ trap: LoopbackServer,
        _ names: TrapNames,
        _ client: ProviderClient,
        _ scripts: ScriptHost,
        _ folder: TemporaryFolder,
        _ body: @escaping @Sendable (Installation) async throws -> Result
    ) async throws -> Result {
        let clock = StandingClock()
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let box = SecretBox(current: EncryptionKey.random().key)
        let database = try SQLiteDatabase(path: folder.file("terapi.db"), durability: .normal)
        let storage = try await SQLStorage(database, box: box, clock: clock)
        let logs = try await SQLLogStorage(
            SQLiteDatabase(path: folder.file("logs.db"), durability: .normal, readers: 1),
            now: clock.now
        )
        let files = setting.providers.map { ProviderCatalog.File(path: $0.key, name: $0.key, text: $0.value) }
        let catalog = try files.isEmpty ? ProviderCatalog.load() : ProviderCatalog(files: files)
        let providers = ProviderRequests(catalog: catalog, client: client, clock: clock)
        let engine = Engine(
            settings: storage,
            connections: storage,
            records: storage,
            syncs: storage,
            actions: storage,
            deliveries: storage,
            incoming: storage,
            providers: providers,
            deployments: storage,
            scripts: scripts,
            workshop: HostWorkshop(
                host: scripts, mapsFolder: folder.file("maps"), packagesFolder: folder.path, environment: [:]
            ),
            client: client,
            spool: try RefreshSpool(folder: folder.file("spool"), box: box),
            catalog: ScriptCatalog(ScriptDefinitions(syncs: setting.syncs)),
            log: NoLog(),
            clock: clock,
            logger: logger,
            publicURL: "http://localhost:3003",
            maxRuns: 4
        )
        let api = API(
            ports: APIPorts(
                settings: storage,
                connections: storage,
                records: storage,
                webhooks: storage,
                logs: logs,
                providers: providers,
                connectFlow: engine.connector,
                credentials: engine.credentials,
                syncControl: engine.syncs,
                actionControl: engine.actions,
                deployControl: engine.deployments,
                functionControl: engine.functions,
                proxyControl: engine.proxy,
                providerWebhooks: engine.providerWebhooks,
                deliveryControl: engine.deliveries,
                clock: clock
            ),
            logger: logger
        )
        let environment = try await storage.createEnvironment(
            name: "dev",
            signingKey: WebhookSignature.newSecret(),
            now: clock.now
        )
        let key = Token.random(.apiKey)
        _ = try await storage.createAPIKey(
            displayName: "key",
            scopes: Set(APIScope.allCases),
            tokenHash: key.hash,
            in: environment.scope,
            now: clock.now
        )
        let application = Application(responder: api.responder(routes: api.publicRoutes), logger: logger)
        let result = try await application.test(.router) { http in
            try await body(
                Installation(
                    trap: trap,
                    names: names,
                    providers: providers,
                    client: client,
                    storage: storage,
                    engine: engine,
                    scope: environment.scope,
                    permitsTrap: setting.permitsTrap,
                    key: key,
                    http: http
                )
            )
        }
        await storage.close()
        await logs.close()
        withExtendedLifetime(folder) {}
        return result
    }

    // MARK: What a customer does

    struct Answer: Sendable {
        var status: Int
        var headers: HTTPFields
        var body: String

        var json: JSONValue? { try? JSONReader.read(body) }

        /// The code and the message of an error, or `reached`.
        var verdict: Verdict {
            if status < 300 { return .reached }
            let error = json?["error"]
            let issues = error?["errors"]?.array?.compactMap { $0["message"]?.string } ?? []
            let message = error?["message"]?.string ?? body
            return .refused(
                code: error?["code"]?.string ?? "page",
                message: ([message] + issues).joined(separator: " ")
            )
        }
    }

    func call(
        _ method: HTTPRequest.Method,
        _ uri: String,
        _ body: JSONValue? = nil,
        headers: [(HTTPField.Name, String)] = []
    ) async throws -> Answer {
        var fields: HTTPFields = [:]
        fields[.authorization] = "Bearer \(key.text.reveal())"
        for (name, value) in headers { fields[name] = value }
        if body != nil { fields[.contentType] = "application/json" }
        return try await http.execute(
            uri: uri,
            method: method,
            headers: fields,
            body: body.map { ByteBuffer(bytes: $0.encoded()) }
        ) {
            Answer(status: Int($0.status.code), headers: $0.headers, body: String(buffer: $0.body))
        }
    }

    /// The same for a call that only prepares the one which matters.
    @discardableResult
    func prepare(_ method: HTTPRequest.Method, _ uri: String, _ body: JSONValue? = nil) async throws -> JSONValue {
        let answer = try await call(method, uri, body)
        guard answer.status < 300 else { throw Unprepared(answer: answer.body) }
        return answer.json ?? .null
    }

    struct Unprepared: Error {
        var answer: String
    }

    func makeIntegration(_ key: String, provider: String, config: JSONObject = [:]) async throws {
        var body: JSONObject = [
            "unique_key": .string(key), "provider": .string(provider), "integration_config": .object(config),
        ]
        if providers.provider(provider)?.authMode == .oauth2 {
            body["credentials"] = ["type": "OAUTH2", "client_id": "client", "client_secret": "secret"]
        }
        try await prepare(.post, "/integrations", .object(body))
    }

    /// The body that takes over a connection with an API key.
    static func keyed(
        _ id: Int,
        integration: String = "desk",
        config: JSONObject = [:],
        more: JSONObject = [:]
    ) -> JSONValue {
        let body: JSONObject = [
            "provider_config_key": .string(integration), "connection_id": .string("c\(id)"),
            "credentials": ["type": "API_KEY", "apiKey": "k"], "connection_config": .object(config),
        ]
        return .object(body.merging(more))
    }

    /// Sends every webhook that is due once, and tells what became of it.
    /// - Returns: the result of each delivery, by its URL.
    func deliver() async throws -> [String: Verdict] {
        while try await engine.webhookSender.runOnce() > 0 {}
        var verdicts: [String: Verdict] = [:]
        for history in try await storage.events(in: scope, before: nil, limit: 10_000) {
            for (delivery, attempts) in history.deliveries {
                guard let attempt = attempts.last else { continue }
                verdicts[delivery.url] =
                    attempt.error.map { .refused(code: "delivery", message: $0) } ?? .reached
            }
        }
        return verdicts
    }
}

/// What became of a try to reach a URL.
enum Verdict: Sendable, Equatable {
    case reached
    case refused(code: String, message: String)

    init(_ body: () async throws -> Void) async {
        do {
            try await body()
            self = .reached
        } catch let error as TerapiError {
            self = .refused(code: error.code.rawValue, message: error.description)
        } catch {
            self = .refused(code: "unknown", message: "\(error)")
        }
    }
}

/// Stands still: who sleeps is woken by the end of the work that it waits beside.
struct StandingClock: WallClock {
    let now = Timestamp(microseconds: 1_800_000_000_000_000)

    func sleep(until moment: Timestamp) async throws {
        for await _ in AsyncStream<Never>.makeStream().stream {}
        try Task.checkCancellation()
    }
}

private struct NoLog: LogSink {
    func record(_ operation: LogOperation) {}
    func record(_ message: LogMessage) {}
}
