import Foundation
import TerapiCore
import TestSupport
import Testing

@testable import TerapiScripts

@Suite(.timeLimit(.minutes(1)))
struct HostWorkshopTests {
    private static let scope = EnvironmentScope(environmentID: 7)
    private static let packages = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/packages").path
    private static let environment = [
        "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "NODE_PATH": packages,
    ]

    private static let sync = """
        import { createSync } from 'nango';
        import * as z from 'zod';
        interface Raw { id: number }
        export default createSync({
            description: 'Issues', frequency: 'every hour', version: '1.2.3', autoStart: false,
            endpoints: [{ method: 'GET', path: '/issues' }],
            models: { Issue: z.object({ id: z.string() }) },
            exec: async (nango) => { throw new Error('in line eight'); },
        });
        """

    private static let yaml = """
        description: Tickets
        model: ticket
        frequency: every day
        auto_start: false
        track_deletes: true
        request: { endpoint: /tickets }
        """

    private let host = ScriptFixture.host()
    private let folder: TemporaryFolder
    private let workshop: HostWorkshop

    init() throws {
        folder = try TemporaryFolder()
        workshop = HostWorkshop(
            host: host,
            mapsFolder: folder.file("maps"),
            packagesFolder: folder.path,
            environment: Self.environment
        )
    }

    private func write(_ text: String, to path: String) throws {
        let file = URL(filePath: folder.file("integrations/\(path)"))
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    private static func sent(
        _ code: String,
        _ name: String = "issues",
        kind: ScriptInvocation.Kind = .sync,
        language: ScriptLanguage = .javaScript,
        map: String? = nil,
        modules: [String: String] = [:]
    ) -> SentScript {
        SentScript(
            id: ScriptID(integrationKey: "github", kind: kind, name: name), language: language, code: code,
            sourceMap: map, modules: modules
        )
    }

    /// As a server would have it after its next start.
    private func deployed(
        _ scripts: [SentScript],
        _ modules: [String: String] = [:]
    ) async throws -> ScriptDefinitions {
        let inspected = try await workshop.inspect(scripts, modules: modules, in: Self.scope)
        return try workshop.load(
            inspected.map { $0.kept(as: .repo, at: Timestamp(microseconds: 0)) }, modules: modules
        )
    }

    private func failure(of code: String, in host: ScriptHost) async -> String? {
        let run = ScriptInvocation(
            environmentID: 7, kind: .sync, name: "github/issues", code: code, properties: [:], timeout: .seconds(10)
        )
        let error = await #expect(throws: TerapiError.self) { try await host.run(run, functions: FakeFunctions()) }
        return error?.payload?["location"]?.string
    }

    @Test
    func `makes of a folder that was sent what the folder itself is`() async throws {
        try write(Self.sync, to: "github/syncs/issues.ts")
        try write(Self.yaml, to: "github/syncs/tickets.yaml")
        let files = IntegrationsFolder(folder.file("integrations"), environment: Self.environment)
        let own = try await files.load(host: ScriptFixture.host())
        let (scripts, modules) = try await files.parcel(host: ScriptFixture.host())
        #expect(scripts.map(\.id.path) == ["github/syncs/issues", "github/syncs/tickets"])
        #expect(scripts.allSatisfy { !$0.code.contains(folder.path) })
        // From here on the author's files are another machine's.
        try folder.remove("integrations")

        let definitions = try await deployed(scripts, modules)

        func facts(_ definitions: ScriptDefinitions) -> [SyncDefinition] {
            definitions.syncs.sorted { $0.name < $1.name }.map { sync in
                var sync = sync
                sync.code = ""
                return sync
            }
        }
        #expect(facts(definitions) == facts(own))
        let issues = try #require(definitions.syncs.first { $0.name == "issues" })
        #expect(issues.schemas["Issue"]?["type"] == "object" && issues.endpoints.count == 1)
        #expect(issues.version == "1.2.3" && !issues.startsAutomatically)
        // Another host, as after a restart, gets the modules and the source map from what was kept.
        #expect(await failure(of: issues.code, in: host)?.hasPrefix("issues.ts:8:") == true)
    }

    @Test
    func `names every mistake with its file, and looks at no file of this machine`() async throws {
        let scripts = [
            Self.sent("module.exports = 1;", "a"),
            Self.sent("module.exports = require('terapi').createSync({ exec() {}, models: ['A'] });", "b"),
            Self.sent("throw new Error('at once');", "c", kind: .action),
            Self.sent("model: ticket", "d", language: .yaml),
            Self.sent("a: 1", "e", kind: .action, language: .yaml),
            Self.sent("module.exports = require('zod');", "f", modules: ["zod": "unknown"]),
            Self.sent("module.exports = require('terapi').createAction({ exec() {} });", "g"),
        ]

        let error = try await #require(throws: TerapiError.self) {
            try await workshop.inspect(scripts, modules: ["unknown": "text"], in: Self.scope)
        }

        #expect(error.code == .invalidDefinition)
        let messages = error.issues.map(\.message)
        for (file, text) in [
            ("syncs/a.js:1:1", "exports nothing to run"), ("syncs/b.js:1:1", "expected frequency"),
            ("actions/c.js:1:", "at once"), ("syncs/d.yaml:1:1", "frequency"),
            ("actions/e.yaml:1:1", "only syncs are YAML"), ("syncs/f.js:1:1", "\"zod\" did not come with it"),
            ("syncs/g.js:1:1", "is declared as action"),
        ] {
            #expect(
                messages.contains { $0.hasPrefix("integrations/github/\(file)") && $0.contains(text) },
                "\(file): \(messages)"
            )
        }
    }

    @Test
    func `follows no source map that a script names by itself`() async throws {
        let map = JSONValue.object([
            "version": 3, "sources": ["secret.ts"], "mappings": "AAAA;AACA;AACA;AACA", "names": [],
        ])
        try map.text().write(toFile: folder.file("elsewhere.map"), atomically: true, encoding: .utf8)
        let header = ScriptHeader(source: "issues.js", map: folder.file("elsewhere.map")).line
        let code =
            "module.exports = require('terapi').createSync({ frequency: 'every hour', models: ['A'],\n"
            + "exec: async () => { throw new Error('x'); } });"

        let definitions = try await deployed([Self.sent(header + code)])
        let sync = try #require(definitions.syncs.first)
        #expect(await failure(of: sync.code, in: host)?.hasPrefix("issues.js:") == true)
        // The control: as a script of the server's own, the same text is shown by the map's names.
        #expect(await failure(of: header + code, in: host)?.hasPrefix("secret.ts:") == true)
    }

    @Test
    func `compiles a script alone, and reads no file that it imports`() async throws {
        try folder.write("export const secret = 'canary of the server';", to: "secret.ts")
        let path = folder.file("secret.ts")
        let code = """
            import { createAction, ProxyConfiguration } from 'nango';
            import { z } from 'zod';
            import { secret } from '\(path)';
            interface Input { id: string }
            export default createAction({
                description: 'Closes', input: z.object({ id: z.string() }),
                exec: async (nango, input: Input) => secret,
            });
            """
        let script = Self.sent(code, "close", kind: .action, language: .typeScript)

        let (compiled, modules) = try await workshop.compile(script)

        #expect(!compiled.code.contains("canary") && !compiled.code.contains("interface"))
        #expect(compiled.modules.keys.sorted() == ["zod"] && modules.count == 1)
        let error = await #expect(throws: TerapiError.self) { try await deployed([compiled], modules) }
        #expect(error?.issues.first?.message.contains("does not exist here") == true, "\(error?.issues ?? [])")
        // The control: with bundling the file would have come along.
        try write(code, to: "github/actions/close.ts")
        let files = IntegrationsFolder(folder.file("integrations"), environment: Self.environment)
        #expect(try await files.parcel(host: host).scripts.first?.code.contains("canary") == true)

        let line = "            import { secret } from '\(path)';\n".drop { $0 == " " }
        let harmless = Self.sent(
            code.replacing(line, with: "const secret = 1;\n"), "close", kind: .action, language: .typeScript
        )
        let (alone, texts) = try await workshop.compile(harmless)
        let action = try #require(try await deployed([alone], texts).actions.first)
        #expect(action.input?["required"] == ["id"] && action.description == "Closes")
    }

    @Test
    func `follows no source map that a script to compile names`() async throws {
        try folder.write(#"{"version":3,"sources":["canary.ts"],"mappings":"AAAA"}"#, to: "server.map")
        let code = "export default 1;\n//# sourceMappingURL=\(folder.file("server.map"))"

        let (compiled, _) = try await workshop.compile(Self.sent(code, language: .typeScript))

        #expect(compiled.sourceMap?.contains("issues.ts") == true)
        #expect(compiled.sourceMap?.contains("canary") == false)
    }

    @Test
    func `names the line that does not compile, and what is missing`() async throws {
        let broken = await #expect(throws: TerapiError.self) {
            try await workshop.compile(Self.sent("const a = 1;\nconst x = ;", language: .typeScript))
        }
        #expect(broken?.code == .invalidDefinition)
        #expect(broken?.issues.map(\.message) == ["integrations/github/syncs/issues.ts:2:11: Unexpected \";\""])

        let bare = HostWorkshop(
            host: host, mapsFolder: folder.file("maps"), packagesFolder: folder.path, environment: ["PATH": "/nowhere"]
        )
        let missing = await #expect(throws: TerapiError.self) {
            try await bare.compile(Self.sent("export default 1;", language: .typeScript))
        }
        #expect(missing?.code == .invalidConfiguration && missing?.message.contains("esbuild is missing") == true)
        // Plain JavaScript needs no compiler.
        let plain = Self.sent("module.exports = 1;")
        #expect(try await bare.compile(plain).script.code == plain.code)
    }
}
