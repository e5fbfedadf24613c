import TerapiCore

/// A file that is written for a person, who then owns it.
public struct TemplateFile: Sendable {
    /// Relative to where the project is.
    public var path: String
    public var text: String

    public init(path: String, text: String) {
        self.path = path
        self.text = text
    }
}

/// What `terapi init` makes: a project of integrations with an example that runs at once.
public enum ProjectTemplate {
    /// - Parameter name: of the project, from which its package's name is made.
    public static func files(name: String) -> [TemplateFile] {
        [
            TemplateFile(path: "README.md", text: text(PackageResources.README_md)),
            TemplateFile(path: "package.json", text: package(name)),
            TemplateFile(path: "tsconfig.json", text: compilerSettings),
            TemplateFile(path: ".gitignore", text: ignored),
            TemplateFile(path: "types/terapi.d.ts", text: text(PackageResources.terapi_d_ts)),
            TemplateFile(path: "types/globals.d.ts", text: text(PackageResources.globals_d_ts)),
            TemplateFile(path: "providers/sandbox.yaml", text: text(PackageResources.sandbox_yaml)),
            TemplateFile(path: "integrations/sandbox/models.ts", text: text(PackageResources.models_ts)),
            TemplateFile(path: "integrations/sandbox/syncs/tickets.ts", text: text(PackageResources.tickets_ts)),
            TemplateFile(
                path: "integrations/sandbox/actions/get-ticket.ts", text: text(PackageResources.get_ticket_ts)),
            TemplateFile(
                path: "integrations/sandbox/tests/tickets.test.json",
                text: text(PackageResources.tickets_test_json)
            ),
            TemplateFile(
                path: "integrations/sandbox/tests/get-ticket.test.json",
                text: text(PackageResources.get_ticket_test_json)
            ),
        ]
    }

    private static func package(_ name: String) -> String {
        let words = name.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
        let json: JSONValue = [
            "name": .string(words.isEmpty ? "integrations" : words.joined(separator: "-")),
            "version": "1.0.0",
            "private": true,
            "type": "module",
            "scripts": ["check": "tsc --noEmit", "compile": "terapi compile", "test": "terapi test"],
            "dependencies": ["zod": "^4.0.0"],
            "devDependencies": ["esbuild": ">=0.17.0", "typescript": "^5.4.0"],
        ]
        return json.layout + "\n"
    }

    /// Without `DOM` and the types of Node: a script has neither.
    private static let compilerSettings = """
        {
            "compilerOptions": {
                "target": "ES2023",
                "lib": ["ES2023"],
                "module": "ESNext",
                "moduleResolution": "Bundler",
                "types": [],
                "strict": true,
                "noEmit": true,
                "skipLibCheck": true
            },
            "include": ["integrations/**/*.ts", "types/**/*.d.ts"]
        }

        """

    private static let ignored = """
        node_modules/
        # What terapi compile and terapi serve have made of the scripts.
        integrations/.terapi/
        # What terapi dev keeps, keys among it.
        terapi-data/

        """

    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self)
    }
}
