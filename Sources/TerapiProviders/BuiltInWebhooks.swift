import TerapiCore

/// How the providers of the catalogue send webhooks, in a file of their own beside the providers' files.
enum BuiltInWebhooks {
    static let text = String(decoding: PackageResources.provider_webhooks_yaml, as: UTF8.self)

    /// By provider.
    static let entries: [String: JSONValue] = {
        let members = (try? root())?.json.object?.members ?? []
        return Dictionary(members.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    }()

    /// Everything that is wrong with the file; a test says that there is nothing.
    static func problems() throws -> [CatalogProblem] {
        guard let root = try root() else { return [] }
        return Shape.map(WebhookSchema.webhook).problems(with: root, at: "", file: file)
    }

    private static let file = "provider-webhooks.yaml"

    private static func root() throws(CatalogProblem) -> YAMLNode? {
        try YAMLDocument.read(text, file: file)
    }
}
