import TerapiCore

/// One JavaScript expression in a sync file, and where it stands.
struct SyncExpression: Sendable, Equatable {
    /// `map.title`.
    var key: String
    var source: String
    /// Both counted from 1.
    var line: Int
    var column: Int
}

/// Finds expressions of sync files that are no JavaScript. They are compiled in a script host, and not run.
struct ExpressionCheck: Sendable {
    let host: ScriptHost

    /// - Parameter files: the expressions of each file, by the path that is shown.
    func mistakes(in files: [(file: String, expressions: [SyncExpression])]) async throws -> [DefinitionMistake] {
        let all = files.flatMap { file, expressions in expressions.map { (file, $0) } }
        guard !all.isEmpty else { return [] }
        let printed = try await host.run(
            ScriptInvocation(
                // Those of a folder belong to no environment.
                environmentID: 0,
                kind: .action,
                name: "expressions",
                code: Self.code,
                properties: [:],
                input: JSONValue(all.map { $0.1.source }),
                timeout: .seconds(30)
            ),
            functions: NoFunctions()
        )
        guard let answers = try JSONReader.read(printed).array, answers.count == all.count else {
            throw TerapiError(.serverError, "The expressions of the sync files could not be checked.")
        }
        return zip(all, answers).compactMap { found, answer -> DefinitionMistake? in
            guard let message = answer.string else { return nil }
            let (file, expression) = found
            return DefinitionMistake(
                file: file,
                line: expression.line,
                column: expression.column,
                message: "expected \(expression.key) to be a JavaScript expression: \(message)"
            )
        }
    }

    /// Compiles each as the prelude does, and calls nothing.
    private static let code = """
        const { createAction } = require('terapi');
        const check = (source) => {
            try {
                new Function('item', `return (${source}\\n);`);
                return null;
            } catch (error) {
                return error.message;
            }
        };
        module.exports = createAction({ exec: async (terapi, sources) => sources.map(check) });

        """
}
