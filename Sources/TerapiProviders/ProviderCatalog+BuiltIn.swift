extension ProviderCatalog {
    /// The catalogue that is built into the binary, one file per provider.
    static var builtIn: [File] {
        embedded.map { name, bytes in
            File(path: "\(name).yaml", name: name, text: String(decoding: bytes, as: UTF8.self), isBuiltIn: true)
        }
    }

    private static var embedded: [(name: String, bytes: [UInt8])] {
        [
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
    }
}
