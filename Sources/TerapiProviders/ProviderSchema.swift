import TerapiCore

/// Every key of a provider file: those that platforms of this kind share, and our own `logo`, `rotation`, `scopes`,
/// `unverified` and `webhook`.
enum ProviderSchema {
    static let entry = Shape.record(keys)

    /// Read and kept, but without effect so far: loading says so.
    static let withoutEffect: Set = [
        "auth_type", "authorization_code_param_in_webhook", "installation", "require_client_certificate",
        "webhook_allowed_query_params", "webhook_response_metadata", "webhook_user_defined_secret",
        "proxy.connection_config",
    ]

    /// Names of code that other platforms are built with, and what does the same here.
    static let foreign = [
        "credentials_verification_script": "credentials are tested by proxy.verification.",
        "post_connection_script": "write an on-event script for post-connection-creation.",
        "pre_connection_deletion_script": "write an on-event script for pre-connection-deletion.",
        "webhook_routing_script": "describe the provider's webhooks under \"webhook\".",
    ]

    /// Keys whose texts may hold placeholders.
    static let withTemplates: Set = [
        "additional_steps", "assertion", "authorization_params", "authorization_url", "proxy", "refresh_params",
        "refresh_token_headers", "refresh_token_params", "refresh_url", "registration_params", "registration_url",
        "request_params", "request_url", "token", "token_headers", "token_params", "token_url",
    ]

    /// The keys without which connections of a mode cannot be made.
    static func required(by mode: AuthMode, _ entry: JSONObject) -> [String] {
        switch mode {
        // An installation that starts at the provider brings its code by a webhook.
        case .oauth2: entry["installation"] == nil ? ["authorization_url", "token_url"] : ["token_url"]
        case .oauth1: ["request_url", "authorization_url", "token_url"]
        case .twoStep: ["token_url", "token_response"]
        case .jwt: ["signature", "token"]
        case .signature: ["signature"]
        case .oauth2ClientCredentials, .bill, .app: ["token_url"]
        case .mcpOAuth2: ["authorization_url", "token_url"]
        default: []
        }
    }

    private static let formField = Shape.record([
        "type": .oneOf(["string"]), "title": .text, "description": .text, "example": .scalar, "pattern": .text,
        "format": .text, "optional": .flag, "order": .integer, "default_value": .scalar, "hidden": .flag,
        "prefix": .text, "suffix": .text, "doc_section": .text, "secret": .flag, "automated": .flag,
        "enum": .list(.scalar), "warnings": .map(.text),
        "visible_when": .record(["field": .text, "equals": .scalar]),
    ])

    private static let form = Shape.map(formField)
    private static let texts = Shape.map(.scalar)

    private static let proxy = Shape.record([
        "base_url": .text, "headers": texts, "query": texts, "body": .map(.any), "connection_config": texts,
        "decompress": .flag, "forward_headers_on_redirect": .flag,
        "retry": .record([
            "at": .list(.text), "after": .list(.text), "remaining": .text, "error_code": .list(.scalar),
            "in_body": .record(["path": .text, "value": .text, "strategy": .oneOf(["at", "after"])]),
        ]),
        "paginate": .record([
            "type": .oneOf(["link", "cursor", "offset"]), "limit": .integer, "limit_name_in_request": .text,
            "response_path": .text, "in_body": .flag, "cursor_path_in_response": .text, "cursor_name_in_request": .text,
            "link_rel_in_response_header": .text, "link_path_in_response_body": .text, "offset_name_in_request": .text,
            "offset_start_value": .integer, "offset_calculation_method": .oneOf(["per-page", "by-response-size"]),
        ]),
        "verification": .record([
            "method": .oneOf(["GET", "POST", "HEAD", "PUT"]), "endpoints": .list(.text), "headers": texts,
            "data": .map(.any), "base_url_override": .text,
        ]),
    ])

    private static let step = Shape.record([
        "body_format": .oneOf(["form", "json", "xml", "query"]), "token_headers": texts, "token_params": .map(.any),
        "token_request_method": .oneOf(["GET", "POST"]), "token_url": .text,
    ])

    private static let codeName = Shape.either(.text, .nothing)

    private static let keys: [String: Shape] = [
        "additional_steps": .list(step),
        "alias": .text,
        "alternate_access_token_response_path": .text,
        "assertion": .record([
            "type": .oneOf(["jwt", "saml"]), "key": .text, "lifetimeInSeconds": .scalar, "header": texts,
            "payload": .map(.any), "issuer": .text, "audiences": .text, "recipient": .text, "nameIdentifier": .text,
            "sessionIndex": .text, "attributes": texts,
        ]),
        "assertion_option": form,
        "auth": .record(["response_type": .text]),
        "auth_mode": .oneOf(AuthMode.allCases.map(\.rawValue)),
        "auth_type": .text,
        "authorization_code_param_in_callback": .text,
        "authorization_code_param_in_webhook": .text,
        "authorization_method": .oneOf(["header", "body"]),
        "authorization_params": texts,
        "authorization_url": .text,
        "authorization_url_fragment": .text,
        "authorization_url_replacements": texts,
        "authorization_url_skip_empty": .flag,
        "authorization_url_skip_encode": .list(.oneOf(["scopes", "base_url"])),
        "body_format": .oneOf(["form", "json", "xml", "query"]),
        "categories": .list(.text),
        "client_registration": .oneOf(["dynamic", "static", "cimd"]),
        "connection_config": form,
        "connection_configuration": .list(.text),
        "credentials": form,
        "credentials_verification_script": codeName,
        "decode_url": .flag,
        "default_scopes": .list(.text),
        "disable_pkce": .flag,
        "display_name": .text,
        "docs": .text,
        "docs_connect": .text,
        "expires_in_unit": .oneOf(["seconds", "milliseconds"]),
        "installation": .oneOf(["outbound"]),
        "integration_config": form,
        "logo": .record(["letters": .text, "color": .text]),
        "post_connection_script": codeName,
        "pre_connection_deletion_script": codeName,
        "proxy": proxy,
        "redirect_uri_metadata": .list(.text),
        "refresh_params": .map(.any),
        "refresh_token_headers": texts,
        "refresh_token_params": .map(.any),
        "refresh_token_response_metadata": .list(.text),
        "refresh_url": .text,
        "registration_params": .map(.any),
        "registration_url": .text,
        "request_params": texts,
        "request_url": .text,
        "require_client_certificate": .flag,
        "rotation": .either(
            .oneOf(["static", "reissue", "strict", "unknown"]),
            .record(["grace": .integer])
        ),
        "scope_separator": .text,
        "scopes": .map(.text),
        "setup_guide_url": .text,
        "signature": .record([
            "protocol": .oneOf(["RSA", "HMAC", "EC", "WSSE"]), "hmac_secret_encoding": .text,
        ]),
        "signature_method": .oneOf(["HMAC-SHA1", "PLAINTEXT", "HMAC-SHA256"]),
        "token": .record([
            "signing_key": .text, "expires_in_ms": .integer, "header": texts, "payload": .map(.any),
        ]),
        "token_expiration_buffer": .integer,
        "token_expires_in_ms": .integer,
        "token_headers": texts,
        "token_params": .map(.any),
        "token_request_auth_method": .oneOf(["basic", "private_key_jwt", "custom"]),
        "token_request_method": .oneOf(["GET", "POST"]),
        "token_response": texts,
        "token_response_headers": .list(.text),
        "token_response_metadata": .list(.text),
        "token_url": .either(.text, .map(.text)),
        "unverified": .map(.text),
        "webhook": WebhookSchema.webhook,
        "webhook_allowed_query_params": .list(.text),
        "webhook_response_metadata": .list(.text),
        "webhook_routing_script": codeName,
        "webhook_user_defined_secret": .flag,
    ]
}
