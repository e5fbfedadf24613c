import HTTPTypes
import TerapiCore
import TerapiEngine
import TerapiScripts
import TerapiStorage
import TestSupport

extension Entrance {
    /// What scripts ask for, in real script hosts, and what providers' answers make them ask for.
    static let scripts = [
        script("baseUrlOverride of a script", "await terapi.get({ endpoint: '/x', baseUrlOverride: url });"),
        script(
            "an absolute endpoint of a script",
            "await terapi.get({ endpoint: url });",
            rules: [.origin],
            keepsOrigin: true
        ),
        script("uncontrolledFetch of a script", "await terapi.uncontrolledFetch({ url });"),
        paged("a Link header of an answer", "link_rel_in_response_header: 'next'", isHeader: true) { url in
            .http(200, headers: [("Link", "<\(url)>; rel=\"next\"")], body: Array(#"{"items":[]}"#.utf8))
        },
        paged("a header of an answer that is a link", "link_in_response_header: 'x-next'", isHeader: true) { url in
            .http(200, headers: [("X-Next", url)], body: Array(#"{"items":[]}"#.utf8))
        },
        paged("a link in the body of an answer", "link_path_in_response_body: 'next'") { url in
            .json(JSONValue.object(["items": [], "next": .string(url)]).text())
        },
        Entrance(
            name: "the endpoint of a YAML sync",
            codes: ["sync_run", "invalid_definition"],
            rules: [.origin, .sync],
            isJourney: true,
            keepsOrigin: true,
            setting: { urls, _ in
                .init(syncs: urls.enumerated().compactMap { try? declared($0, url: $1) })
            },
            attempt: { installation, urls in
                try await makeDesk("http://canary.example:\(installation.trap.port)", installation)
                try await installation.engine.syncWorker.runOnce()
                let connection = try await installation.storage.connection(
                    "c0",
                    integrationKey: "desk",
                    in: installation.scope
                )
                let syncs = try await installation.storage.syncs(connectionID: connection?.id ?? 0)
                return try await urls.verdicts { number, url in
                    guard let sync = syncs.first(where: { $0.name == "s\(number)" }) else {
                        return await Verdict { _ = try declared(number, url: url) }
                    }
                    let run = try await installation.storage.latestRun(syncID: sync.id)
                    guard let error = run?.error else { return .reached }
                    return .refused(code: "sync_run", message: error)
                }
            }
        ),
    ]

    // MARK: Scripts

    private static func script(
        _ name: String,
        _ body: String,
        rules: Set<Rule> = [],
        keepsOrigin: Bool = false
    ) -> Entrance {
        Entrance(
            name: name,
            rules: rules,
            keepsOrigin: keepsOrigin,
            setting: { urls, _ in .init(syncs: [try looping(over: urls, body)]) },
            attempt: { installation, urls in
                try await run("http://canary.example:\(installation.trap.port)", installation, count: urls.count)
            }
        )
    }

    /// - Parameter page: the first page, whose link leads to the URL.
    private static func paged(
        _ name: String,
        _ rule: String,
        isHeader: Bool = false,
        _ page: @escaping @Sendable (_ url: String) -> LoopbackServer.Answer
    ) -> Entrance {
        let body = """
            const paginate = { type: 'link', response_path: 'items', \(rule) };
            for await (const _ of terapi.paginate({ endpoint: '/page', params: { id }, paginate })) { }
            """
        return Entrance(
            name: name,
            rules: [.origin],
            takesPaths: true,
            keepsOrigin: true,
            needsNeighbour: true,
            isHeader: isHeader,
            setting: { urls, _ in
                .init(syncs: [try looping(over: urls, body)], trapAnswer: { answer($0, urls, page) })
            },
            attempt: { installation, urls in
                try await Neighbour.with {
                    answer($0, urls, page)
                } use: { neighbour in
                    // The provider itself is the trap where that is permitted: links stay at their origin.
                    let trap = "http://canary.example:\(installation.trap.port)"
                    let base = installation.permitsTrap ? trap : neighbour
                    return try await run(base, installation, count: urls.count)
                }
            }
        )
    }

    /// The first page for the number in its query, and an empty one for everything else.
    private static func answer(
        _ request: LoopbackServer.Request,
        _ urls: [String],
        _ page: (_ url: String) -> LoopbackServer.Answer
    ) -> LoopbackServer.Answer {
        guard request.target.hasPrefix("/page?id="), let number = Int(request.target.dropFirst(9)),
            urls.indices.contains(number)
        else { return .json(#"{"items":[]}"#) }
        return page(urls[number])
    }

    /// A sync that takes each URL in turn and saves what became of it.
    private static func looping(over urls: [String], _ body: String) throws -> SyncDefinition {
        SyncDefinition(
            integrationKey: "desk",
            name: "verdicts",
            models: ["Verdict"],
            frequency: try Frequency("every hour"),
            code: """
                const urls = \(JSONValue(urls).text());
                module.exports = require('terapi').createSync({ exec: async (terapi) => {
                    const verdicts = [];
                    for (const [id, url] of urls.entries()) {
                        const verdict = { id: String(id), code: '', message: '' };
                        try {
                            \(body)
                        } catch (error) {
                            verdict.code = String(error.code ?? error.name);
                            verdict.message = String(error.message);
                        }
                        verdicts.push(verdict);
                    }
                    await terapi.batchSave(verdicts, 'Verdict');
                } });
                """
        )
    }

    private static func run(_ base: String, _ installation: Installation, count: Int) async throws -> [Verdict] {
        try await makeDesk(base, installation)
        try await installation.engine.syncWorker.runOnce()
        let page = try await installation.storage.page(
            RecordQuery(
                scope: installation.scope,
                integrationKey: "desk",
                connectionID: "c0",
                model: "Verdict",
                limit: 10_000
            )
        )
        var verdicts: [Int: Verdict] = [:]
        for record in try JSONReader.read(page.json)["records"]?.array ?? [] {
            guard let number = record["id"]?.string.flatMap({ Int($0) }) else { continue }
            let code = record["code"]?.string ?? ""
            verdicts[number] = code.isEmpty ? .reached : .refused(code: code, message: record["message"]?.string ?? "")
        }
        return (0..<count).map { verdicts[$0] ?? .refused(code: "no verdict", message: "The sync did not come to it.") }
    }

    private static func makeDesk(_ base: String, _ installation: Installation) async throws {
        try await installation.makeIntegration("desk", provider: "api-key-generic", config: ["base_url": .string(base)])
        try await installation.prepare(.post, "/connections", Installation.keyed(0))
    }

    private static func declared(_ number: Int, url: String) throws -> SyncDefinition {
        let text = """
            model: V\(number)
            frequency: every hour
            request:
              endpoint: \(JSONValue.string(url).text())
              response_path: items
            """
        return try SyncFile(text, file: "sync.yaml", integrationKey: "desk", name: "s\(number)").definition
    }
}
