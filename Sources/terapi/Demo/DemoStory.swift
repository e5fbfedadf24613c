import ServiceLifecycle
import Synchronization
import TerapiCore
import TerapiProviders
import TerapiSandbox

/// What the demo shows, step by step, through the same endpoints that a customer's backend uses.
final class DemoStory: Service {
    private let place: DemoPlace
    private let apiKey: Secret
    private let sandbox: SandboxOptions
    private let receiver: WebhookReceiver
    private let isHeadless: Bool
    private let started: Gate
    private let client: ProviderClient
    private let problem = Mutex<String?>(nil)

    init(
        place: DemoPlace,
        apiKey: Secret,
        sandbox: SandboxOptions,
        receiver: WebhookReceiver,
        isHeadless: Bool,
        started: Gate
    ) {
        self.place = place
        self.apiKey = apiKey
        self.sandbox = sandbox
        self.receiver = receiver
        self.isHeadless = isHeadless
        self.started = started
        client = ProviderClient(guardedBy: OutboundGuard(allowed: [CIDR("127.0.0.0/8")].compactMap(\.self)))
    }

    /// Where the story broke off and why; `nil` when it went well.
    var failure: String? { problem.withLock { $0 } }

    func run() async throws {
        await started.wait()
        let step = Mutex("starting")
        do {
            try await tell { text in
                step.withLock { $0 = text }
                say("\n\u{001B}[1m\(text)\u{001B}[0m")
            }
        } catch is CancellationError {
            problem.withLock { $0 = "The demo was stopped." }
        } catch {
            let reason = (error as? TerapiError)?.message ?? "\(error)"
            problem.withLock { $0 = "The demo failed at \"\(step.withLock { $0 })\": \(reason)" }
        }
        await client.close()
    }

    private func tell(_ step: (String) -> Void) async throws {
        step("1. Terapi, a made-up provider and your backend are running")
        say("   Terapi     \(place.serverURL)")
        say("   provider   \(place.sandboxURL)  (\(sandbox.ticketCount) tickets)")
        say("   backend    \(place.receiverURL)")
        try await setUp()

        step("2. An end user connects an account")
        let session = try await api(
            "POST", "/connect/sessions",
            [
                "end_user": ["id": "user-1", "email": "ada@example.com"],
                "allowed_integrations": ["sandbox"],
            ])
        let token = try text(session["data"]?["token"], "the connect session's token")
        if isHeadless {
            try await allow(sessionToken: token)
            say("   clicked \"Allow\" on the provider's page")
        } else {
            say("   Open this address in a browser and click \"Allow\":")
            say("   \(try text(session["data"]?["connect_link"], "the connect link"))")
        }
        var webhooks = receiver.deliveries.makeAsyncIterator()
        let connected = try await next(&webhooks) { $0["type"]?.string == "auth" }
        let connectionID = try text(connected["connectionId"], "the connection's id")
        say("   webhook received and verified: connected as \(connectionID)")

        step("3. The initial sync reads \(sandbox.ticketCount) tickets")
        let initial = try await watchInitialSync(connectionID, &webhooks)
        say("   webhook received and verified: \(initial.text(sortedKeys: true))")
        try expect(initial["responseResults"]?["added"]?.int == sandbox.ticketCount, "Not all tickets were reported.")

        step("4. Your backend fetches the records with a cursor")
        var (count, cursor) = try await fetch(connectionID, cursor: nil) { _ in }
        say("   \(count) records fetched; the cursor of the last one is stored")
        try expect(count == sandbox.ticketCount, "Fetched \(count) records of \(sandbox.ticketCount).")

        step("5. At the provider one ticket changes and one is deleted")
        let changed = try await send("POST", "\(place.sandboxURL)/sandbox/change", ["update": 1, "delete": 1])
        say("   \(changed.text())")

        step("6. The next run is incremental")
        _ = try await api(
            "POST", "/sync/trigger",
            [
                "provider_config_key": "sandbox", "connection_id": .string(connectionID), "syncs": ["tickets"],
            ])
        let incremental = try await next(&webhooks) { $0["syncType"]?.string == "INCREMENTAL" }
        say("   webhook received and verified: \(incremental["responseResults"]?.text() ?? "")")
        try expect(
            incremental["responseResults"] == ["added": 0, "updated": 1, "deleted": 1],
            "One update and one delete were expected."
        )
        (count, cursor) = try await fetch(connectionID, cursor: cursor) { record in
            let id = record["id"]?.string ?? ""
            say("   ticket \(id): \(record["_terapi_metadata"]?["last_action"]?.string ?? "")")
        }
        try expect(count == 2, "Two changed records were expected after the cursor, \(count) came.")
        say("\nThat is the whole way. Everything ran on this machine and is gone now.")
    }

    // MARK: Steps

    private func setUp() async throws {
        _ = try await api(
            "POST", "/integrations",
            [
                "unique_key": "sandbox",
                "provider": "sandbox",
                "credentials": [
                    "type": "OAUTH2",
                    "client_id": .string(sandbox.clientID),
                    "client_secret": .string(sandbox.clientSecret.reveal()),
                ],
            ])
        _ = try await api("PATCH", "/environment", ["webhook": ["primary_url": .string(place.receiverURL)]])
        let key = try await api("GET", "/environment/webhook-signing-key")
        receiver.trust(Secret(try text(key["data"]?["webhook_signing_key"], "the signing key")))
    }

    /// Plays the person and the browser: follows the redirects, keeps the cookie, sends the consent form.
    private func allow(sessionToken: String) async throws {
        let begin = try await raw(
            "GET",
            "\(place.serverURL)/oauth/connect/sandbox?connect_session_token=\(sessionToken)"
        )
        let cookie = begin.header("set-cookie")?.prefix { $0 != ";" } ?? ""
        let consentPage = try text(begin.header("location").map(JSONValue.string), "the redirect to the provider")
        let query = consentPage.split(separator: "?", maxSplits: 1).last.map(String.init) ?? ""
        let decided = try await raw(
            "POST",
            "\(place.sandboxURL)/oauth/authorize",
            headers: [("content-type", "application/x-www-form-urlencoded")],
            body: Array("\(query)&decision=allow".utf8)
        )
        let callback = try text(decided.header("location").map(JSONValue.string), "the redirect to the callback")
        let result = try await raw("GET", callback, headers: [("cookie", String(cookie))])
        try expect(result.status == 200, "The callback answered \(result.status).")
    }

    private func watchInitialSync(
        _ connectionID: String,
        _ webhooks: inout AsyncStream<WebhookReceiver.Delivery>.AsyncIterator
    ) async throws -> JSONValue {
        // The bar is drawn beside the wait for the webhook, and ends with it.
        let bar = Task {
            while !Task.isCancelled {
                let status = try await api(
                    "GET",
                    "/sync/status?provider_config_key=sandbox&syncs=tickets&connection_id=\(connectionID)"
                )
                let count = status["syncs"]?.array?.first?["recordCount"]?["ticket"]?.int ?? 0
                draw(count)
                try await Task.sleep(for: .milliseconds(100))
            }
        }
        defer { bar.cancel() }
        let webhook = try await next(&webhooks) { $0["syncType"]?.string == "INITIAL" }
        bar.cancel()
        _ = await bar.result
        draw(sandbox.ticketCount)
        say("")
        return webhook
    }

    private func draw(_ count: Int) {
        let width = 40
        let filled = min(width, count * width / max(1, sandbox.ticketCount))
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
        say("\r   \(bar) \(count)", end: "")
    }

    private func next(
        _ webhooks: inout AsyncStream<WebhookReceiver.Delivery>.AsyncIterator,
        where isWanted: (JSONValue) -> Bool
    ) async throws -> JSONValue {
        while let delivery = await webhooks.next(isolation: nil) {
            if delivery.body["success"]?.bool == false {
                throw TerapiError(.providerError, "A webhook tells of a failure: \(delivery.body.text())")
            }
            if isWanted(delivery.body) { return delivery.body }
        }
        throw CancellationError()
    }

    private func fetch(
        _ connectionID: String,
        cursor: String?,
        each: (JSONValue) -> Void
    ) async throws -> (count: Int, cursor: String?) {
        var cursor = cursor
        var count = 0
        while true {
            let page = try await api(
                "GET",
                "/records?model=ticket&limit=1000" + (cursor.map { "&cursor=\($0)" } ?? ""),
                headers: [("provider-config-key", "sandbox"), ("connection-id", connectionID)]
            )
            let records = page["records"]?.array ?? []
            records.forEach(each)
            count += records.count
            cursor = records.last?["_terapi_metadata"]?["cursor"]?.string ?? cursor
            if page["next_cursor"]?.string == nil { return (count, cursor) }
        }
    }

    // MARK: HTTP

    private func api(
        _ method: String,
        _ path: String,
        _ body: JSONValue? = nil,
        headers: [(String, String)] = []
    ) async throws -> JSONValue {
        try await send(
            method,
            "\(place.serverURL)\(path)",
            body,
            headers: headers + [("authorization", "Bearer \(apiKey.reveal())")]
        )
    }

    private func send(
        _ method: String,
        _ url: String,
        _ body: JSONValue? = nil,
        headers: [(String, String)] = []
    ) async throws -> JSONValue {
        let response = try await raw(
            method,
            url,
            headers: headers + (body == nil ? [] : [("content-type", "application/json")]),
            body: body?.encoded()
        )
        guard response.status < 300, let json = try? JSONReader.read(response.body) else {
            throw TerapiError(
                .serverError,
                "\(method) \(url) answered \(response.status): \(String(decoding: response.body, as: UTF8.self))"
            )
        }
        return json
    }

    private func raw(
        _ method: String,
        _ url: String,
        headers: [(String, String)] = [],
        body: [UInt8]? = nil
    ) async throws -> OutboundResponse {
        try await client.send(
            OutboundRequest(
                method: method,
                url: url,
                headers: headers.map { (name: $0.0, value: $0.1) },
                body: body,
                purpose: .proxy,
                redirects: .never
            )
        )
    }

    private func text(_ value: JSONValue?, _ what: String) throws -> String {
        guard let text = value?.string else { throw TerapiError(.serverError, "\(what) is missing.") }
        return text
    }

    private func expect(_ condition: Bool, _ message: String) throws {
        guard condition else { throw TerapiError(.serverError, message) }
    }
}
