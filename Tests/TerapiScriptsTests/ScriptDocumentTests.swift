import TerapiCore
import TerapiScripts
import Testing

struct ScriptDocumentTests {
    private static func description(
        _ kind: ScriptInvocation.Kind, _ name: String, _ declared: JSONValue
    ) -> ScriptDescription {
        ScriptDescription(
            file: ScriptFile(integrationKey: "desk", kind: kind, name: name, language: .typeScript),
            declared: declared
        )
    }

    private static let schema: JSONValue = [
        "type": "object",
        "properties": [
            "id": ["type": "string", "description": "Of the desk | never reused"],
            "state": ["enum": ["open", "closed"]],
            "owner": ["anyOf": [["$ref": "#/$defs/Person"], ["type": "null"]]],
            "tags": ["type": "array", "items": ["type": "string"]],
            "notes": [
                "type": "array",
                "items": ["type": "object", "properties": ["at": ["type": "string", "format": "date-time"]]],
            ],
            "custom": ["type": "object", "additionalProperties": ["type": "number"]],
        ],
        "required": ["id"],
        "$defs": [
            "Person": [
                "type": "object", "properties": ["name": ["type": "string"], "boss": ["$ref": "#/$defs/Person"]],
            ]
        ],
    ]

    @Test
    func `tells what a sync reads, when, and the fields of its models`() {
        let text = ScriptDocument(
            integrationKey: "desk",
            scripts: [
                Self.description(
                    .sync, "tickets",
                    [
                        "description": "Tickets", "frequency": "every hour", "version": "1.2.0",
                        "scopes": ["read", "all"],
                        "endpoints": [["method": "GET", "path": "/tickets"]],
                        "models": ["Ticket": Self.schema, "Raw": .null],
                    ])
            ]
        ).text

        for line in [
            "# desk", "## Syncs", "### tickets", "Tickets", "| frequency | every hour |", "| scopes | `read`, `all` |",
            "| endpoints | `GET /tickets` |", "| file | `desk/syncs/tickets.ts` |", "#### Model `Ticket`",
            "| `id` | string | required | Of the desk \\| never reused |",
            "| `state` | `\"open\"` or `\"closed\"` |  |  |",
            "| `owner` | object or null |  |  |", "| `owner.name` | string |  |  |",
            "| `tags` | list of string |  |  |",
            "| `notes[].at` | string (date-time) |  |  |", "| `custom` | object of number |  |  |",
            "Without a schema that can be printed.",
        ] {
            #expect(text.split(separator: "\n").contains { $0 == line }, "\(line)\n\(text)")
        }
        #expect(text.hasPrefix(ScriptDocument.mark))
    }

    @Test
    func `tells what an action takes and gives, and when an event's script runs`() {
        let text = ScriptDocument(
            integrationKey: "desk",
            scripts: [
                Self.description(.onEvent, "hello", ["event": "post-connection-creation"]),
                Self.description(
                    .action, "close", ["endpoint": "/close", "input": Self.schema, "output": ["type": "string"]]),
                Self.description(.action, "open", ["description": ""]),
            ]
        ).text

        #expect(
            text.contains(
                "### close\n\n| | |\n| --- | --- |\n| file | `desk/actions/close.ts` |\n| endpoints | `/close` |"))
        #expect(text.contains("#### Input\n\n| field |") && text.contains("#### Output\n\nstring."))
        #expect(text.contains("| event | `post-connection-creation` |"))
        #expect(!text.contains("## Syncs"))
    }
}
