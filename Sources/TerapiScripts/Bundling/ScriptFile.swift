public import TerapiCore

/// One script in a folder of integrations: `<integration>/syncs/<name>.ts` and the like.
public struct ScriptFile: Sendable, Hashable {
    public typealias Language = ScriptLanguage

    public var integrationKey: String
    public var kind: ScriptInvocation.Kind
    public var name: String
    public var language: Language

    public init(integrationKey: String, kind: ScriptInvocation.Kind, name: String, language: Language) {
        self.integrationKey = integrationKey
        self.kind = kind
        self.name = name
        self.language = language
    }

    /// The script's file in a folder of integrations; the first of several by language.
    public static func find(
        _ name: String,
        kind: ScriptInvocation.Kind,
        integrationKey: String,
        in folder: String
    ) -> ScriptFile? {
        Language.allCases.lazy
            .map { ScriptFile(integrationKey: integrationKey, kind: kind, name: name, language: $0) }
            .first { FileContents.exists("\(folder)/\($0.path)") }
    }

    /// Relative to the folder of integrations.
    public var path: String { "\(integrationKey)/\(kind.folder)/\(fileName)" }

    var fileName: String { "\(name).\(language.rawValue)" }

    /// - Returns: `nil` for a file that is no script: a declaration of types, a test, anything else.
    init?(fileName: String, integrationKey: String, kind: ScriptInvocation.Kind) {
        let parts = fileName.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, let language = Language(rawValue: String(parts[1])) else {
            return nil
        }
        self.init(integrationKey: integrationKey, kind: kind, name: String(parts[0]), language: language)
    }
}
