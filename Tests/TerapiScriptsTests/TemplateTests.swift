import TerapiCore
import TerapiScripts
import Testing

@Suite(.timeLimit(.minutes(1)))
struct TemplateTests {
    private static let files = Dictionary(
        uniqueKeysWithValues: ProjectTemplate.files(name: "Our Shop 2").map { ($0.path, $0.text) })

    @Test
    func `a project has what an author needs`() throws {
        let package = try JSONReader.read(try #require(Self.files["package.json"]))

        #expect(package["name"] == "our-shop-2" && package["dependencies"]?["zod"] != nil)
        #expect(try JSONReader.read(try #require(Self.files["tsconfig.json"]))["compilerOptions"]?["strict"] == true)
        for path in ["README.md", ".gitignore", "types/terapi.d.ts", "integrations/sandbox/syncs/tickets.ts"] {
            #expect(Self.files[path]?.isEmpty == false, "\(path)")
        }
    }

    @Test
    func `the types name every member of what exec gets, and no other`() async throws {
        let printed = try await ScriptFixture.result("return Object.keys(nango);")
        let members = Set(try JSONReader.read(printed).array?.compactMap(\.string) ?? [])
        let types = try #require(Self.files["types/terapi.d.ts"])

        var declared: Set<String> = []
        for name in ["Context", "SyncContext"] {
            let start = try #require(types.firstRange(of: "export interface \(name)<")).upperBound
            let end = try #require(types[start...].firstRange(of: "\n    }\n")).lowerBound
            for match in types[start..<end].matches(of: #/\n        (?:readonly )?([a-zA-Z]+)\??[<(:]/#) {
                declared.insert(String(match.1))
            }
        }

        #expect(members.subtracting(declared) == [] && declared.subtracting(members) == [])
        #expect(members.contains("batchSave"))
    }

    @Test
    func `the types name only globals that there are`() async throws {
        let types = try #require(Self.files["types/globals.d.ts"])
        let names = Set(types.matches(of: #/(?m)^declare (?:class|function|const) ([A-Za-z]+)/#).map { String($0.1) })
        let list = JSONValue(names.sorted()).text()

        let missing = try await ScriptFixture.result(
            "return \(list).filter((name) => typeof globalThis[name] === 'undefined');")

        #expect(missing == "[]")
        #expect(names.isSuperset(of: ["Buffer", "fetch", "URL", "setTimeout"]))
    }

    @Test(arguments: [ScriptInvocation.Kind.sync, .action, .onEvent])
    func `a new script comes with its test`(kind: ScriptInvocation.Kind) throws {
        let files = try ScriptTemplate(kind, integrationKey: "github", name: "open-issues").files

        #expect(files.count == 2 && files[0].path.hasSuffix("/open-issues.ts"))
        #expect(files[1].path == "github/tests/open-issues.test.json")
        let test = try ScriptTest(Array(files[1].text.utf8), file: files[1].path)
        #expect(test.script == "open-issues" && test.kind == kind && !test.exchanges.isEmpty && !test.result.isEmpty)
        if kind == .sync { #expect(files[0].text.contains("models: { OpenIssues }")) }
    }

    @Test(arguments: [
        ("github", ""), ("github", "-a"), ("github", "a b"), ("github", "a.b"), ("github", "../a"), ("", "a"),
        ("../github", "a"), ("git/hub", "a"), (".git", "a"), ("github", "ä"),
    ])
    func `refuses names that cannot be`(integration: String, name: String) throws {
        #expect(throws: TerapiError.self) { try ScriptTemplate(.sync, integrationKey: integration, name: name) }
        #expect(try ScriptTemplate(.sync, integrationKey: "git.hub-2", name: "2_a").files.count == 2, "the control")
    }
}
