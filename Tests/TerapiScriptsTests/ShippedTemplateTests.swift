import Foundation
import TerapiCore
import TerapiScripts
import TerapiTemplates
import Testing

/// Runs every template that ships against its example answers, in the real script host.
@Suite(.timeLimit(.minutes(2)))
struct ShippedTemplateTests {
    struct Template: Sendable, CustomTestStringConvertible {
        var script: ShippedScript
        var testDescription: String { "\(script.provider)/\(script.kind.rawValue)s/\(script.name)" }
    }

    static let all = ShippedTemplates.all.map { Template(script: $0) }

    @Test(arguments: all)
    func `makes of the example answers what is expected`(template: Template) async throws {
        let script = template.script
        let test = try ScriptTest(Array(script.test.utf8), file: template.testDescription)
        let functions = ReplayFunctions(test)

        let document = try await run(template, test, functions)

        let result = ScriptTest.result(of: document, facts: test.facts)
        let differences = JSONDifference.between(.object(test.result), .object(result))
        #expect(differences.isEmpty, "\(differences.map(\.description).joined(separator: "\n"))")
        #expect(functions.replay.unexpected.isEmpty, "\(functions.replay.unexpected.map(\.summary))")
        #expect(functions.replay.missing.isEmpty, "\(functions.replay.missing.map(\.request.summary))")
        #expect(!test.result.isEmpty && test.kind == script.kind && test.script == script.name)
        // The example's own text must show in what comes of it: an empty expectation would let everything pass.
        if script.kind == .sync { #expect(test.result["saved"]?.object?.members.isEmpty == false) }
    }

    @Test(arguments: all.filter { $0.script.kind == .sync })
    func `saves records that are what their standard model says`(template: Template) async throws {
        let declared = try await definitions(template)
        let sync = try #require(declared.syncs.first)
        let test = try ScriptTest(Array(template.script.test.utf8), file: "")

        #expect(sync.models.count == 1 && StandardModel.named(sync.models[0]) != nil)
        for (model, records) in test.result["saved"]?.object?.members ?? [] {
            #expect(sync.models == [model])
            let document = try #require(StandardModel.named(model)?.document)
            #expect(sync.schemas[model] == document)
            for record in records.array ?? [] {
                let issues = JSONSchema(document).issues(with: record)
                #expect(issues.isEmpty, "\(record.text()): \(issues)")
            }
        }
    }

    @Test(arguments: all.filter { $0.script.kind == .action })
    func `takes and gives what it says`(template: Template) async throws {
        let action = try #require(try await definitions(template).actions.first)
        let test = try ScriptTest(Array(template.script.test.utf8), file: "")
        let (input, output) = (try #require(action.input), try #require(action.output))

        #expect(JSONSchema(input).issues(with: test.facts["input"] ?? .null).isEmpty)
        #expect(!JSONSchema(input).issues(with: "text").isEmpty, "the control")
        if let found = test.result["output"] {
            #expect(JSONSchema(output, allowsMoreMembers: true).issues(with: found).isEmpty)
        }
    }

    @Test func `covers each standard model from at least two providers`() async throws {
        var providers: [String: Set<String>] = [:]
        for template in Self.all where template.script.kind == .sync {
            for model in try await definitions(template).syncs.flatMap(\.models) {
                providers[model, default: []].insert(template.script.provider)
            }
        }

        for model in StandardModel.all { #expect((providers[model.name]?.count ?? 0) >= 2, "\(model.name)") }
        #expect(Self.all.filter { $0.script.kind == .sync }.count >= 25)
        #expect(Self.all.filter { $0.script.kind == .action }.count >= 15)
        #expect(Set(Self.all.map(\.script.provider)).count >= 12)
    }

    @Test func `has every file of its folder, and needs no bundler`() throws {
        let folder = URL(filePath: #filePath).appending(path: "../../../Sources/TerapiTemplates/Files").standardized
        let files = Set(try FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false)))

        let expected = Self.all.flatMap { template in
            let script = template.script
            return [
                "\(script.provider).\(script.kind.folder).\(script.name).\(script.language.rawValue)",
                "\(script.provider).tests.\(script.name).test.json",
            ]
        }

        #expect(files == Set(expected) && expected.count == files.count)
        #expect(Self.all.allSatisfy { [.yaml, .javaScript].contains($0.script.language) })
    }

    @Test(arguments: all)
    func `can be copied with its test`(template: Template) throws {
        let script = template.script
        let files = try ScriptTemplate(copying: script, integrationKey: "our-own", name: "renamed").files

        #expect(
            files.map(\.path) == [
                "our-own/\(script.kind.folder)/renamed.\(script.language.rawValue)", "our-own/tests/renamed.test.json",
            ])
        let test = try ScriptTest(Array(files[1].text.utf8), file: files[1].path)
        #expect(test.script == "renamed" && files[0].text == script.text)
        #expect(test.exchanges == (try ScriptTest(Array(script.test.utf8), file: "")).exchanges)
    }

    // MARK: Running

    private static let host = ScriptFixture.host()

    private func run(
        _ template: Template, _ test: ScriptTest, _ functions: ReplayFunctions
    ) async throws -> JSONValue {
        let script = template.script
        var properties: JSONObject = [
            "connectionId": "c", "providerConfigKey": .string(script.provider), "provider": .string(script.provider),
            "isDryrun": true,
        ]
        properties["now"] = test.facts["now"]
        let definitions = try await definitions(template)
        do {
            let printed = try await Self.host.run(
                ScriptInvocation(
                    environmentID: 1,
                    kind: script.kind,
                    name: "\(script.provider)/\(script.name)",
                    code: try #require(definitions.syncs.first?.code ?? definitions.actions.first?.code),
                    properties: properties,
                    input: test.facts["input"],
                    timeout: .seconds(30)
                ),
                functions: functions
            )
            return functions.document(output: try JSONReader.read(printed), error: nil)
        } catch let error as TerapiError {
            return functions.document(output: .null, error: error)
        }
    }

    /// As a server that enables it takes it in.
    private func definitions(_ template: Template) async throws -> ScriptDefinitions {
        let workshop = HostWorkshop(
            host: Self.host, mapsFolder: "/nonexistent", packagesFolder: ".", environment: [:]
        )
        let scope = EnvironmentScope(environmentID: 1)
        let inspected = try await workshop.inspect(
            [template.script.script(of: template.script.provider)], modules: [:], in: scope
        )
        return try workshop.load(inspected.map { $0.kept(as: .catalog, at: .init(microseconds: 0)) }, modules: [:])
    }
}
