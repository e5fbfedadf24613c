import Foundation
import TerapiCore

extension ProviderCatalog {
    /// The catalogue that is built into the binary, one file per provider.
    private static let embedded: [(name: String, bytes: [UInt8])] = [
        ("api-key-generic", PackageResources.api_key_generic_yaml),
        ("api-key-header-generic", PackageResources.api_key_header_generic_yaml),
        ("api-key-query-generic", PackageResources.api_key_query_generic_yaml),
        ("basic-generic", PackageResources.basic_generic_yaml),
        ("figma", PackageResources.figma_yaml),
        ("freshdesk", PackageResources.freshdesk_yaml),
        ("github", PackageResources.github_yaml),
        ("gitlab", PackageResources.gitlab_yaml),
        ("notion", PackageResources.notion_yaml),
        ("oauth2-generic", PackageResources.oauth2_generic_yaml),
        ("oauth2-generic-basic", PackageResources.oauth2_generic_basic_yaml),
        ("sendgrid", PackageResources.sendgrid_yaml),
        ("shopify", PackageResources.shopify_yaml),
        ("trello", PackageResources.trello_yaml),
        ("zendesk", PackageResources.zendesk_yaml),
    ]

    /// The built-in catalogue with the files of a folder over it: `<name>.yaml` adds a provider or replaces one.
    /// - Throws: `TerapiError` with `.invalidDefinition` for mistakes in files, `.invalidConfiguration` when the folder
    ///   cannot be read.
    public static func load(folder: String? = nil) throws -> ProviderCatalog {
        let builtIn = embedded.map { entry in
            File(path: "\(entry.name).yaml", name: entry.name, text: String(decoding: entry.bytes, as: UTF8.self))
        }
        return try ProviderCatalog(files: builtIn + (folder.map(files) ?? []))
    }

    private static func files(in folder: String) throws -> [File] {
        do {
            let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            return try names.filter { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") }.map { name in
                let path = folder + (folder.hasSuffix("/") ? "" : "/") + name
                let text = try String(contentsOfFile: path, encoding: .utf8)
                return File(path: path, name: String(name.dropLast(".yaml".count)), text: text)
            }
        } catch {
            throw TerapiError(
                .invalidConfiguration,
                "The folder of provider files \"\(folder)\" cannot be read.",
                cause: error
            )
        }
    }
}
