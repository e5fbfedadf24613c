/// A script that ships with Terapi: a template. It runs nowhere until an integration of its provider enables it.
public struct ShippedScript: Sendable {
    public var provider: String
    public var kind: ScriptInvocation.Kind
    public var name: String
    public var language: ScriptLanguage
    /// As its author wrote it.
    public var text: String
    /// Its test, as JSON.
    public var test: String

    public init(
        provider: String,
        kind: ScriptInvocation.Kind,
        name: String,
        language: ScriptLanguage,
        text: String,
        test: String
    ) {
        self.provider = provider
        self.kind = kind
        self.name = name
        self.language = language
        self.text = text
        self.test = test
    }

    /// The same script for an integration of the provider, which may have another name.
    public func script(of integrationKey: String) -> SentScript {
        SentScript(
            id: ScriptID(integrationKey: integrationKey, kind: kind, name: name), language: language, code: text
        )
    }
}
