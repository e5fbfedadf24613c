/// The one error that crosses a module's border and reaches a person.
///
/// `code` is part of the HTTP contract; `message` says what happened and what to do and is safe to show to a customer;
/// `cause` goes to the operator's log only.
public struct TerapiError: Error, Sendable {
    public enum Code: String, Sendable, CaseIterable {
        // Requests
        case invalidBody = "invalid_body"
        case invalidQueryParams = "invalid_query_params"
        case invalidURIParams = "invalid_uri_params"
        case invalidHeaders = "invalid_headers"
        case invalidCursor = "invalid_cursor"
        case cursorExpired = "cursor_expired"
        case cursorAheadOfHistory = "cursor_ahead_of_history"
        case payloadTooLarge = "payload_too_large"
        case unsupportedMediaType = "unsupported_media_type"
        case methodNotAllowed = "method_not_allowed"
        case notFound = "not_found"
        case conflict
        case tooManyRequests = "too_many_request"

        // Who asks
        case missingAuthHeader = "missing_auth_header"
        case malformedAuthHeader = "malformed_auth_header"
        case invalidSecretKeyFormat = "invalid_secret_key_format"
        case unknownAccount = "unknown_account"
        case invalidConnectSessionTokenFormat = "invalid_connect_session_token_format"
        case unknownConnectSessionToken = "unknown_connect_session_token"
        case forbidden

        // What is asked about
        case unknownConnection = "unknown_connection"
        case unknownProviderConfig = "unknown_provider_config"
        case missingProviderConfigKey = "missing_provider_config_key"
        case unknownProvider = "unknown_provider"
        case unknownSync = "unknown_sync"
        case noSyncsFound = "no_syncs_found"
        case unknownModel = "unknown_model"
        case unknownDelivery = "unknown_delivery"
        case invalidVariant = "invalid_variant"
        case syncVariantAlreadyExists = "sync_variant_already_exists"
        case resourceCapped = "resource_capped"

        // Credentials and providers
        case connectionTestFailed = "connection_test_failed"
        case connectionValidationFailed = "connection_validation_failed"
        case invalidCredentials = "invalid_credentials"
        case connectionRefreshBackoff = "connection_refresh_backoff"
        case connectionRefreshExhausted = "connection_refresh_exhausted"
        case refreshTokenExternalError = "refresh_token_external_error"
        case missingAPIURL = "missing_api_url"
        case outboundRefused = "outbound_refused"
        case baseURLOverrideNotAllowed = "base_url_override_not_allowed"
        case proxyRedirectToDeniedHost = "proxy_redirect_to_denied_host"
        case providerError = "provider_error"
        case providerUnreachable = "provider_unreachable"

        // What providers send
        case unknownEnvironment = "unknown_environment"
        case webhookInvalidSignature = "webhook_invalid_signature"
        case webhookMissingSignature = "webhook_missing_signature"
        case webhookInvalidPayload = "webhook_invalid_payload"

        // Scripts
        case scriptError = "script_error"
        case scriptLimitExceeded = "script_limit_exceeded"
        /// The process of a run ended because of another run, or from outside. The run itself did nothing wrong.
        case scriptHostLost = "script_host_lost"
        case scriptOutputTooLarge = "script_output_too_large"
        case scriptHTTPError = "script_http_error"
        case actionScriptFailure = "action_script_failure"
        case invalidActionInput = "invalid_action_input"
        case invalidActionOutput = "invalid_action_output"
        /// A request that may have had an effect was sent, and nobody knows how the run would have gone on.
        case outcomeUnknown = "outcome_unknown"
        case idempotencyKeyReused = "idempotency_key_reused"
        case idempotencyKeyInUse = "idempotency_key_in_use"
        case invalidSyncRecord = "invalid_sync_record"
        case staleRun = "stale_run"
        case ambiguousFunction = "ambiguous_function"
        /// It came with a folder: what is gone from there is removed by the next deployment.
        case functionManagedByDeploy = "function_managed_by_deploy"

        // Ourselves
        case invalidConfiguration = "invalid_configuration"
        case invalidDefinition = "invalid_definition"
        case dataFolderInUse = "data_folder_in_use"
        case storageUnavailable = "storage_unavailable"
        case serverError = "server_error"
    }

    /// One thing that is wrong with a request, and where: `path` leads to the field.
    public struct Issue: Sendable, Equatable {
        public var code: String
        public var message: String
        public var path: [String]

        public init(code: String, message: String, path: [String]) {
            self.code = code
            self.message = message
            self.path = path
        }
    }

    public var code: Code
    public var message: String
    public var issues: [Issue]

    /// Further facts for the caller, shown under `payload`.
    public var payload: JSONValue?

    /// The provider's answer that made a script fail, shown under `upstream`: `status`, `headers`, `body`.
    public var upstream: JSONValue?

    /// How long to wait before asking again, in seconds; becomes `Retry-After`.
    public var retryAfterSeconds: Int?

    /// What went wrong underneath; for the log, never for the customer.
    public var cause: (any Error)?

    public init(
        _ code: Code,
        _ message: String,
        issues: [Issue] = [],
        payload: JSONValue? = nil,
        upstream: JSONValue? = nil,
        retryAfterSeconds: Int? = nil,
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.issues = issues
        self.payload = payload
        self.upstream = upstream
        self.retryAfterSeconds = retryAfterSeconds
        self.cause = cause
    }
}

extension TerapiError: CustomStringConvertible {
    public var description: String {
        let details = issues.map { issue in
            issue.path.isEmpty ? issue.message : "\(issue.path.joined(separator: ".")): \(issue.message)"
        }
        let text = ([message] + details).joined(separator: " ")
        return cause.map { "\(code.rawValue): \(text) (\($0))" } ?? "\(code.rawValue): \(text)"
    }
}
