public import TerapiCore

/// What `terapi new` makes: a script that runs, and its test.
public struct ScriptTemplate: Sendable {
    public var kind: ScriptInvocation.Kind
    public var integrationKey: String
    public var name: String
    /// What is copied, or `nil` for a script with a little of everything.
    private var copied: ShippedScript?

    /// A copy of a script that ships, with its test.
    /// - Parameter name: `nil` keeps the script's own.
    /// - Throws: `TerapiError(.invalidConfiguration)` when integration or script cannot have this name.
    public init(copying shipped: ShippedScript, integrationKey: String, name: String? = nil) throws {
        try self.init(shipped.kind, integrationKey: integrationKey, name: name ?? shipped.name)
        copied = shipped
    }

    /// - Throws: `TerapiError(.invalidConfiguration)` when integration or script cannot have this name.
    public init(_ kind: ScriptInvocation.Kind, integrationKey: String, name: String) throws {
        for (what, text, isAllowed) in [
            ("integration", integrationKey, Self.isName(integrationKey, marks: "._-")),
            ("script", name, Self.isName(name, marks: "_-")),
        ] where !isAllowed {
            let marks = what == "script" ? "\"_\" and \"-\"" : "\".\", \"_\" and \"-\""
            throw TerapiError(
                .invalidConfiguration,
                "\"\(text)\" cannot be the name of \(what == "script" ? "a" : "an") \(what): it begins with a letter or "
                    + "digit, and goes on with letters, digits, \(marks)."
            )
        }
        self.kind = kind
        self.integrationKey = integrationKey
        self.name = name
    }

    /// Relative to the folder of integrations; the script first.
    /// - Throws: `TerapiError(.invalidDefinition)` when the test of what is copied cannot be read.
    public var files: [TemplateFile] {
        get throws {
            let file = ScriptFile(
                integrationKey: integrationKey, kind: kind, name: name, language: copied?.language ?? .typeScript
            )
            // A sync and an action may have the same name, and each has its test.
            let testPath = ScriptTest.path(name, integrationKey: integrationKey)
            var test = test
            if let copied { test = try ScriptTest(Array(copied.test.utf8), file: testPath) }
            test.script = name
            return [
                TemplateFile(path: file.path, text: copied?.text ?? source),
                TemplateFile(path: testPath, text: test.text),
            ]
        }
    }

    private static func isName(_ text: String, marks: String) -> Bool {
        guard let first = text.first, text.count <= 255, first.isASCII, first.isLetter || first.isNumber else {
            return false
        }
        return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || marks.contains($0)) }
    }

    private var source: String {
        switch kind {
        case .action:
            """
            import { createAction } from 'terapi';
            import * as z from 'zod';

            export default createAction({
                description: 'What \(name) does',
                version: '1.0.0',
                input: z.object({ title: z.string() }),
                output: z.object({ id: z.string() }),
                exec: async (terapi, input) => {
                    const { data } = await terapi.post({ endpoint: '/items', data: { title: input.title } });
                    return { id: String(data.id) };
                },
            });

            """
        case .onEvent:
            """
            import { createOnEvent } from 'terapi';

            export default createOnEvent({
                description: 'What \(name) does',
                // post-connection-creation, pre-connection-deletion or validate-connection
                event: 'post-connection-creation',
                exec: async (terapi) => {
                    const { data } = await terapi.get({ endpoint: '/me', retries: 3 });
                    await terapi.updateMetadata({ account: data.name });
                },
            });

            """
        default:
            """
            import { createSync } from 'terapi';
            import * as z from 'zod';

            const \(model) = z.object({ id: z.string(), title: z.string() });

            export default createSync({
                description: 'What \(name) reads',
                version: '1.0.0',
                frequency: 'every hour',
                models: { \(model) },
                exec: async (terapi) => {
                    const pages = terapi.paginate<{ id: number; title: string }>({
                        endpoint: '/items',
                        params: { limit: 100 },
                        paginate: {
                            type: 'cursor',
                            cursor_path_in_response: 'next',
                            cursor_name_in_request: 'cursor',
                            response_path: 'items',
                        },
                        retries: 3,
                    });
                    for await (const page of pages) {
                        await terapi.batchSave(page.map(({ id, title }) => ({ id: String(id), title })), '\(model)');
                    }
                },
            });

            """
        }
    }

    /// Each script of an integration saves a model of its own: `open-issues` saves `OpenIssues`.
    private var model: String {
        let words = name.split { $0 == "-" || $0 == "_" }.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        return words.first?.isLetter == true ? words : "Model\(words)"
    }

    private var test: ScriptTest {
        func exchange(_ request: RecordedRequest, _ body: JSONValue) -> Exchange {
            Exchange(
                request: request,
                answer: .response(status: 200, headers: ["content-type": "application/json"], body: .json(body))
            )
        }
        switch kind {
        case .action:
            return ScriptTest(
                script: name,
                kind: kind,
                facts: ["input": ["title": "First"]],
                exchanges: [
                    exchange(
                        RecordedRequest(method: "POST", path: "/items", body: .json(["title": "First"])), ["id": 1]
                    )
                ],
                result: ["output": ["id": "1"]]
            )
        case .onEvent:
            return ScriptTest(
                script: name,
                kind: kind,
                facts: [:],
                exchanges: [exchange(RecordedRequest(method: "GET", path: "/me"), ["name": "ada"])],
                result: ["metadata": ["account": "ada"]]
            )
        default:
            let query = [(name: "limit", value: "100")]
            let items: [JSONValue] = [["id": 1, "title": "First"], ["id": 2, "title": "Second"]]
            let records: [JSONValue] = [["id": "1", "title": "First"], ["id": "2", "title": "Second"]]
            return ScriptTest(
                script: name,
                kind: kind,
                facts: [:],
                exchanges: [
                    exchange(
                        RecordedRequest(method: "GET", path: "/items", query: query),
                        ["items": .array([items[0]]), "next": "c2"]
                    ),
                    exchange(
                        RecordedRequest(method: "GET", path: "/items", query: query + [(name: "cursor", value: "c2")]),
                        ["items": .array([items[1]]), "next": .null]
                    ),
                ],
                result: ["saved": .object(JSONObject([(model, .array(records))]))]
            )
        }
    }
}
