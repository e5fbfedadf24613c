import Foundation
import TerapiCore
import TerapiScripts
import Testing

/// Runs every example of `docs/models.md`.
@Suite(.timeLimit(.minutes(1)))
struct ModelsDocumentTests {
    private static let text: String = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/models.md")
        return (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    }()

    /// The blocks of a language with the block of JSON that follows each.
    private static func blocks(of language: String) -> [(code: String, answer: String)] {
        text.matches(of: #/(?s)```([a-z]+)\n(.*?)```\n(?:```json\n(.*?)```)?/#).compactMap { match in
            guard match.1 == language, let answer = match.3 else { return nil }
            return (String(match.2), String(answer))
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var expression: String
        var value: String
        var testDescription: String { expression }
    }

    static let rows = text.matches(of: #/(?m)^\| `([^`]+\(.*\))` \| `(.+)` \|$/#).map {
        Row(expression: String($0.1), value: String($0.2))
    }

    private static let provider: @Sendable (ScriptRequest) async throws -> ScriptResponse = { _ in
        .json(
            #"""
            [{"id":1,"name":"First","state":"doing","owners":[{"id":7,"login":"ada"}],"closed":null},
            {"id":2,"name":"Second","state":"parked","owners":[],"closed":1767607200}]
            """#)
    }

    @Test func `the sync file saves what the document says`() async throws {
        let example = try #require(Self.blocks(of: "yaml").first)
        let file = try SyncFile(example.code, file: "tracker/issues.yaml", integrationKey: "tracker", name: "issues")

        #expect(file.definition.schemas["ticket"] == StandardModel.named("ticket")?.document)
        try await check(file.definition.code, example.answer)
    }

    @Test func `the script saves what the document says`() async throws {
        let example = try #require(Self.blocks(of: "js").first)
        try await check(example.code, example.answer)
    }

    private func check(_ code: String, _ answer: String) async throws {
        let functions = FakeFunctions(respond: Self.provider)
        var invocation = ScriptFixture.sync("")
        invocation.code = code

        _ = try await ScriptFixture.result(of: invocation, functions: functions)

        let saved = JSONValue.array(try functions.documents.map { try JSONReader.read($0) })
        let expected = try JSONReader.read(answer)
        #expect(JSONValue.object(["ticket": saved]) == expected, "\(saved.text())")
        for record in saved.array ?? [] {
            #expect(JSONSchema(try #require(StandardModel.named("ticket")).document).issues(with: record).isEmpty)
        }
    }

    @Test(arguments: rows)
    func `an expression gives what the table says`(row: Row) async throws {
        let name = row.expression.prefix { $0 != "(" }

        let found = try await ScriptFixture.result("const { \(name) } = require('terapi'); return \(row.expression);")

        #expect(try JSONReader.read(found) == JSONReader.read(row.value), "\(found)")
    }

    @Test func `every function has a row, and every model`() async throws {
        #expect(Self.rows.count >= 18)
        for name in [
            "convert", "dateTime", "later", "localDate", "lookup", "number", "offsetMinutes", "person", "plainText",
            "secondsBetween", "sport",
        ] { #expect(Self.rows.contains { $0.expression.hasPrefix("\(name)(") }, "\(name)") }
        for model in StandardModel.all {
            let needed = (model.document["required"]?.array ?? []).compactMap(\.string).filter { $0 != "id" }
            let row = try #require(Self.text.split(separator: "\n").first { $0.hasPrefix("| `\(model.name)` |") })
            #expect(row.hasSuffix("| \(needed.map { "`\($0)`" }.joined(separator: ", ")) |"), "\(row)")
        }
    }
}
