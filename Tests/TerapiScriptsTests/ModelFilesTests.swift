import Foundation
import TerapiCore
import TerapiScripts
import TestSupport
import Testing

/// Where the models of scripts come from.
@Suite(.timeLimit(.minutes(1)))
struct ModelFilesTests {
    private static let sync = """
        model: ticket
        frequency: every day
        request: { endpoint: /x }
        """
    private static let own: JSONValue = ["$id": "own", "type": "object", "properties": ["id": ["type": "string"]]]

    private let folder: TemporaryFolder
    private let host = ScriptFixture.host()

    init() throws {
        folder = try TemporaryFolder()
    }

    private func write(_ text: String, to path: String) throws {
        let file = URL(filePath: folder.file(path))
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    private func schema() async throws -> JSONValue? {
        try await IntegrationsFolder(folder.path, environment: [:]).load(host: host).syncs.first?.schemas["ticket"]
    }

    @Test func `a sync file names a standard model, or one beside it that goes over it`() async throws {
        try write(Self.sync, to: "desk/syncs/tickets.yaml")
        #expect(try await schema() == StandardModel.named("ticket")?.document)

        try write(Self.own.text(), to: "models/ticket.json")
        #expect(try await schema() == Self.own)

        let closer: JSONValue = ["$id": "closer"]
        try write(closer.text(), to: "desk/models/ticket.json")
        #expect(try await schema() == closer)

        let inside: JSONValue = ["type": "object", "required": ["id"], "minProperties": 1, "x-a": .null, "x-b": true]
        try write(Self.sync + "\nschema: \(inside.text())\n", to: "desk/syncs/tickets.yaml")
        #expect(try await schema() == inside)
    }

    @Test func `a model that nobody knows has no schema`() async throws {
        try write(Self.sync.replacing("ticket", with: "rocket"), to: "desk/syncs/tickets.yaml")
        let syncs = try await IntegrationsFolder(folder.path, environment: [:]).load(host: host).syncs
        #expect(syncs.first?.models == ["rocket"] && syncs.first?.schemas == [:] && syncs.first?.isStrict == false)
    }

    @Test(arguments: ["not JSON", "[1]"])
    func `a model's file that is no schema is named`(text: String) async throws {
        try write(Self.sync, to: "desk/syncs/tickets.yaml")
        try write(text, to: "models/ticket.json")

        let error = await #expect(throws: TerapiError.self) { try await schema() }

        #expect(error?.issues.first?.message.contains("models/ticket.json:1:1: expected a JSON Schema") == true)
    }

    @Test func `a model beside it goes along when the sync is deployed`() async throws {
        try write(Self.sync + "\nstrict: true", to: "desk/syncs/tickets.yaml")
        try write(Self.own.text(), to: "models/ticket.json")
        let parcel = try await IntegrationsFolder(folder.path, environment: [:]).parcel(host: host)
        let workshop = HostWorkshop(
            host: host, mapsFolder: folder.file("maps"), packagesFolder: folder.path, environment: [:])

        let scope = EnvironmentScope(environmentID: 1)
        let inspected = try await workshop.inspect(parcel.scripts, modules: parcel.modules, in: scope)
        let kept = inspected.map { $0.kept(as: .repo, at: Timestamp(microseconds: 0)) }
        let sync = try #require(try workshop.load(kept, modules: [:]).syncs.first)

        #expect(sync.schemas["ticket"] == Self.own && sync.isStrict)
        #expect(kept.first?.declared["strict"] == true)
    }

    @Test func `a script names a standard model, and takes a schema as it is`() async throws {
        try write(
            """
            const { createSync, models } = require('terapi');
            module.exports = createSync({
                frequency: 'every day', strict: true,
                models: { ticket: models.ticket, Own: { type: 'object' }, Odd: { shape: 1 } },
                exec: async () => {},
            });
            """, to: "desk/syncs/a.js")
        try write(
            """
            const { createAction, models } = require('terapi');
            module.exports = createAction({ input: { type: 'string' }, output: models.ticket, exec: async () => {} });
            """, to: "desk/actions/b.js")
        let folder = IntegrationsFolder(folder.path, environment: [:])

        let found = try await folder.load(host: host)
        let described = try await folder.describe(host: host)

        let ticket = try #require(StandardModel.named("ticket")?.document)
        let sync = try #require(found.syncs.first)
        #expect(sync.schemas == ["ticket": ticket, "Own": ["type": "object"]] && sync.isStrict)
        #expect(sync.models == ["ticket", "Own", "Odd"])
        #expect(found.actions.first?.input == ["type": "string"] && found.actions.first?.output == ticket)
        #expect(described.first { $0.file.kind == .sync }?.declared["models"]?["ticket"] == ticket)
        #expect(described.first { $0.file.kind == .action }?.declared["output"] == ticket)
    }
}
