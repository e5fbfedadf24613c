import Foundation
import TerapiCore
import TestSupport
import Testing

@testable import TerapiScripts

@Suite(.timeLimit(.minutes(1)))
struct IntegrationsFolderTests {
    private static let models = """
        import * as z from 'zod';
        export const Issue = z.object({ id: z.string(), title: z.string().optional() });
        export interface Raw { id: number }
        """

    private static let sync = """
        import { createSync, ProxyConfiguration } from 'nango';
        import { Issue, Raw } from '../models.js';
        const sync = createSync({
            description: 'Issues',
            frequency: 'every hour',
            version: '1.2.3',
            scopes: ['repo'],
            autoStart: false,
            models: { Issue },
            exec: async (nango) => {
                const config: ProxyConfiguration = { endpoint: '/issues' };
                await nango.get(config);
            },
        });
        export default sync;
        """

    private static let action = """
        import { createAction } from 'nango';
        import { z } from 'zod';
        import { createHash } from 'crypto';
        export default createAction({
            description: 'Closes',
            input: z.object({ id: z.string() }),
            output: z.object({ at: z.date() }),
            exec: async (nango, input) => ({ at: createHash('sha256') }),
        });
        """

    private static let onEvent = """
        import { createOnEvent } from 'terapi';
        export default createOnEvent({ description: 'Hello', event: 'post-connection-creation', exec: async () => {} });
        """

    @Test
    func `reads what scripts in TypeScript declare`() async throws {
        let folder = try Folder([
            "github/models.ts": Self.models, "github/syncs/issues.ts": Self.sync,
            "github/actions/close.ts": Self.action, "github/on-events/hello.ts": Self.onEvent,
            "tsconfig.json": #"{ "compilerOptions": { "verbatimModuleSyntax": true, "preserveValueImports": true } }"#,
        ])

        let definitions = try await folder.load()

        let sync = try #require(definitions.syncs.first)
        #expect(sync.integrationKey == "github" && sync.name == "issues" && sync.models == ["Issue"])
        #expect(sync.version == "1.2.3" && sync.scopes == ["repo"] && !sync.startsAutomatically)
        #expect(sync.frequency.interval == .seconds(3600))
        let action = try #require(definitions.actions.first)
        #expect(action.input?["required"] == ["id"])
        #expect(action.output == nil, "zod cannot print a date")
        #expect(definitions.onEvents.first?.event == .postConnectionCreation)
    }

    @Test(
        arguments: [
            ("", [], false), ("trackDeletes: true,", [], true), ("webhookSubscriptions: ['a', '*'],", [], false),
            ("webhookSubscriptions: ['a', '*'], onWebhook: async () => {},", ["a", "*"], false),
            ("onWebhook: async () => {},", [], false),
        ] as [(String, [String], Bool)])
    func `reads what a sync wants besides its runs`(keys: String, subscriptions: [String], readsAll: Bool) async throws
    {
        let text = Self.sync.replacing("autoStart: false,", with: keys)
        let folder = try Folder(["github/models.ts": Self.models, "github/syncs/issues.ts": text])

        let sync = try #require(try await folder.load().syncs.first)

        #expect(sync.webhookSubscriptions == subscriptions)
        #expect(sync.readsEverything == readsAll)
    }

    @Test(arguments: [
        ("github/syncs/a.ts", "export default 1;", "a.ts:1:1: The script exports nothing to run"),
        ("github/syncs/a.ts", "const x = ;", "a.ts:1:11: Unexpected \";\""),
        ("github/syncs/a.ts", "import s from 'soap';\nexport default s;", "a.ts:1:15: the module \"soap\" is not"),
        ("github/syncs/a.ts", "\nimport s from './gone.js';\nexport default s;", "a.ts:2:15: there is no file"),
        ("github/syncs/a.ts", "// @ts-nocheck\nthrow new Error('at once');", "a.ts:2:"),
        ("github/syncs/a.ts", action, "a.ts:4:1: the folder syncs holds scripts of the kind sync"),
        ("github/syncs/a b.ts", sync, "a b.ts:1:1: the file's name"),
        ("github/syncs/a.ts", sync.replacing("every hour", with: "often"), "a.ts:5:5: \"often\" is not a frequency"),
        ("github/syncs/a.ts", sync.replacing("1.2.3", with: "one"), "a.ts:6:5: expected version"),
        ("github/syncs/a.ts", sync.replacing("models: { Issue }", with: "models: {}"), "a.ts:9:5: expected models"),
        ("github/syncs/b.ts", sync, "b.ts:2:10: the sync \"a\" of this integration saves the model \"Issue\" too"),
        ("github/syncs/a.js", "module.exports = 1", "a.ts:1:1: a.js beside it defines the same sync"),
        ("github/actions/a.yaml", "a: 1", "a.yaml:1:1: expected a script: only syncs are YAML"),
        ("github/on-events/a.ts", onEvent.replacing("post-", with: "past-"), "a.ts:2:54: expected event to be one of"),
    ])
    func `names file, line and column of a mistake`(file: String, text: String, expected: String) async throws {
        var files = ["github/models.ts": Self.models, "github/syncs/a.ts": Self.sync]
        files[file] = text
        let folder = try Folder(files)

        let error = try await #require(throws: TerapiError.self) {
            try await folder.load(refusesSharedModels: true)
        }

        #expect(error.code == .invalidDefinition)
        let place = "\(folder.path)/" + file.prefix { $0 != "/" } + "/"
        let messages = error.issues.map(\.message)
        #expect(messages.contains { $0.hasPrefix(place) && $0.contains(expected) }, "\(messages)")
    }

    @Test
    func `lets two syncs save one model, unless it is asked to look for that`() async throws {
        let folder = try Folder([
            "github/models.ts": Self.models, "github/syncs/a.ts": Self.sync, "github/syncs/b.ts": Self.sync,
        ])

        #expect(try await folder.load().syncs.map(\.name) == ["a", "b"])
        await #expect(throws: TerapiError.self) { try await folder.load(refusesSharedModels: true) }
    }

    @Test
    func `finds what is no JavaScript in YAML files when it is asked to`() async throws {
        let yaml = """
            model: Issue
            frequency: every hour
            request: { endpoint: /issues }
            where: "!item.pull_request"
            checkpoint:
              since: max(item.updated_at)
              next: response.data.
            map:
              id: String(item.id)
              title: item.title +
              state: >-
                item.state ?? 'open'
            """
        let folder = try Folder(["github/syncs/issues.yaml": yaml])

        let error = try await #require(throws: TerapiError.self) { try await folder.load(checksExpressions: true) }

        let messages = error.issues.map(\.message)
        let start = "\(folder.path)/github/syncs/issues.yaml:"
        try #require(messages.count == 2, "\(messages)")
        #expect(messages[0].hasPrefix("\(start)7:9: expected checkpoint.next to be a JavaScript expression: "))
        #expect(messages[1].hasPrefix("\(start)10:10: expected map.title to be a JavaScript expression: "))
        #expect(try await folder.load().syncs.count == 1, "the control: it is not asked to")
        try folder.write(
            "github/syncs/issues.yaml",
            yaml.replacing("data.\n", with: "data\n").replacing("title +", with: "title")
        )
        #expect(try await folder.load(checksExpressions: true).syncs.count == 1)
    }

    @Test
    func `describes scripts of all kinds and languages`() async throws {
        let yaml = """
            model: Raw
            frequency: every day
            request: { endpoint: /raw }
            map: { id: item.id, name: item.name }
            """
        let folder = try Folder([
            "github/models.ts": Self.models, "github/syncs/issues.ts": Self.sync, "github/syncs/raw.yaml": yaml,
            "github/actions/close.ts": Self.action, "github/on-events/hello.ts": Self.onEvent,
        ])

        let found = try await folder.describe()

        #expect(
            found.map(\.file.path) == [
                "github/actions/close.ts", "github/on-events/hello.ts", "github/syncs/issues.ts",
                "github/syncs/raw.yaml",
            ])
        #expect(found[2].declared["models"]?["Issue"]?["properties"]?.object?.names == ["id", "title"])
        #expect(found[3].declared["models"]?["Raw"]?["properties"]?.object?.names == ["id", "name"])
        #expect(found[3].declared["request"] == "GET /raw")
    }

    @Test
    func `a missing zod is told where it is imported`() async throws {
        let folder = try Folder(["github/models.ts": Self.models, "github/syncs/issues.ts": Self.sync], nodePath: "")

        let error = try await #require(throws: TerapiError.self) { try await folder.load() }

        #expect(
            error.issues.map(\.message).first?
                .hasPrefix("\(folder.path)/github/models.ts:1:20: the module \"zod\" is not installed") == true,
            "\(error.issues)")
    }

    @Test
    func `what has not changed needs neither esbuild nor packages`() async throws {
        let folder = try Folder(["github/models.ts": Self.models, "github/syncs/issues.ts": Self.sync])
        let first = try await folder.load()

        let bare = ["PATH": "/nowhere"]
        #expect(try await folder.load(environment: bare) == first)
        try folder.write("github/models.ts", Self.models + "\n// changed")
        await #expect(throws: TerapiError.self) { try await folder.load(environment: bare) }
        try folder.write("github/models.ts", Self.models)
        #expect(try await folder.load(environment: bare) == first)
    }

    @Test
    func `a package in node_modules beside or above the folder comes before NODE_PATH`() async throws {
        let folder = try Folder([
            "node_modules/tally/package.json": #"{ "name": "tally", "main": "index.js" }"#,
            "node_modules/tally/index.js": "module.exports = () => 'beside';",
            "a/actions/count.ts":
                "import { createAction } from 'nango';\nimport tally from 'tally';\n"
                + "const description = tally(['x']) === 'beside' ? 'beside' : 'path';\n"
                + "export default createAction({ description, exec: async () => {} });",
        ])
        #expect(try await folder.load().actions.first?.description == "beside")

        try FileManager.default.removeItem(atPath: "\(folder.path)/node_modules")
        try FileManager.default.removeItem(atPath: "\(folder.path)/.terapi")
        #expect(try await folder.load().actions.first?.description == "path")
    }

    @Test
    func `an error is told at its place in TypeScript`() async throws {
        let helper = """
            export function fail(text: string): never {
                const unused: string = text;
                throw new Error(text);
            }
            """
        let folder = try Folder([
            "github/helper.ts": helper,
            "github/actions/fail.ts":
                "import { createAction } from 'nango';\nimport { fail } from '../helper.js';\n\ninterface A { b: string }\n"
                + "export default createAction({ exec: async (nango, input) => {\n"
                + "    if (input === 1) throw new Error('here');\n    fail('there');\n} });",
        ])
        let host = ScriptFixture.host()
        defer { host.stop() }
        let definitions = try await folder.load(host: host)
        let code = try #require(definitions.actions.first?.code)
        func location(input: JSONValue) async throws -> String? {
            let run = ScriptInvocation(
                environmentID: 1, kind: .action, name: "github/fail", code: code, properties: [:], input: input,
                timeout: .seconds(10))
            let error = await #expect(throws: TerapiError.self) { try await host.run(run, functions: FakeFunctions()) }
            return error?.payload?["location"]?.string
        }

        #expect(try await location(input: 1)?.hasPrefix("fail.ts:6:") == true)
        #expect(try await location(input: 2)?.hasPrefix("github/helper.ts:3:") == true)
    }

    @Test
    func `traces change with a file, and not with what is hidden`() throws {
        let folder = try Folder(["github/syncs/a.ts": "1"])
        let before = IntegrationsFolder(folder.path).traces()
        try folder.write(".terapi/x", "1")
        try folder.write("node_modules/x", "1")
        #expect(IntegrationsFolder(folder.path).traces() == before)

        try folder.write("github/syncs/a.ts", "12")

        #expect(IntegrationsFolder(folder.path).traces() != before)
    }
}

/// A folder of integrations that goes away with the test.
private final class Folder {
    let path: String
    private let environment: [String: String]

    init(_ files: [String: String], nodePath: String? = nil) throws {
        path = FileManager.default.temporaryDirectory.appending(path: "terapi-integrations-\(UUID().uuidString)").path
        let packages = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/packages").path
        environment = [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "NODE_PATH": nodePath ?? packages,
        ]
        for (file, text) in files { try write(file, text) }
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func write(_ file: String, _ text: String) throws {
        let url = URL(filePath: "\(path)/\(file)")
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    func load(
        host: ScriptHost? = nil,
        environment: [String: String]? = nil,
        refusesSharedModels: Bool = false,
        checksExpressions: Bool = false
    ) async throws -> ScriptDefinitions {
        let host = host ?? ScriptFixture.host()
        return try await IntegrationsFolder(path, environment: environment ?? self.environment)
            .load(host: host, refusesSharedModels: refusesSharedModels, checksExpressions: checksExpressions)
    }

    func describe() async throws -> [ScriptDescription] {
        try await IntegrationsFolder(path, environment: environment).describe(host: ScriptFixture.host())
    }
}
