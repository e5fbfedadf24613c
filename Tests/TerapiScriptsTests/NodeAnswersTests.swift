import Foundation
import TerapiCore
import TerapiScripts
import Testing

/// Expressions with what Node 20 answered to them; `Tests/Fixtures/Node/answers.mjs` asks it again.
@Suite(.timeLimit(.minutes(2)))
struct NodeAnswersTests {
    @Test(arguments: ["Buffer", "text", "URL", "URLSearchParams", "crypto", "web", "Date", "forms"])
    func `answers as Node does`(group: String) async throws {
        let rows = try #require(try answers()[group]?.array)
        #expect(rows.count > 20)

        let differences = try await differences(rows)

        #expect(differences.isEmpty, "\(differences.joined(separator: "\n"))")
    }

    @Test
    func `notices an answer that is not Node's`() async throws {
        let differences = try await differences([
            ["code": "1 + 1", "value": "3"], ["code": "1 + 1", "value": "2"], ["code": "1 + 1", "throws": "Error"],
            ["code": "missing()", "throws": "TypeError"],
        ])

        #expect(differences.count == 3, "\(differences)")
    }

    private func differences(_ rows: [JSONValue]) async throws -> [String] {
        let result = try await ScriptFixture.result(
            """
            const AsyncFunction = (async () => {}).constructor;
            const differences = [];
            for (const { code, ...expected } of input) {
                const body = /^(const|let) |return /.test(code) ? code : `return ${code}`;
                let found;
                try {
                    const value = await new AsyncFunction('require', 'crypto', body)(require, require('crypto'));
                    found = { value: value === undefined ? 'undefined' : JSON.stringify(value) };
                } catch (error) {
                    found = { throws: error.name };
                    if (expected.throws !== error.name) found.message = error.message;
                }
                const isSame = found.value === expected.value && found.throws === expected.throws;
                if (!isSame) differences.push(`${code}: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
            }
            return differences;
            """,
            input: .array(rows)
        )
        return try (JSONReader.read(Array(result.utf8)).array ?? []).compactMap(\.string)
    }

    private func answers() throws -> JSONValue {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/Node/answers.json")
        return try JSONReader.read(Array(Data(contentsOf: file)))
    }
}
