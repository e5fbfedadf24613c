import HTTPTypes
import TerapiCore

/// An error whose status differs from the usual one of its code.
struct StatusError: Error {
    var status: HTTPResponse.Status
    var error: TerapiError

    init(_ status: HTTPResponse.Status, _ error: TerapiError) {
        self.status = status
        self.error = error
    }
}

extension TerapiError {
    /// The HTTP status that goes with the code unless a route says otherwise.
    var status: HTTPResponse.Status {
        switch code {
        case .invalidBody, .invalidQueryParams, .invalidURIParams, .invalidHeaders, .invalidCursor, .unknownConnection,
            .unknownProviderConfig, .missingProviderConfigKey, .unknownProvider, .unknownSync, .noSyncsFound,
            .unknownModel, .invalidVariant, .syncVariantAlreadyExists, .resourceCapped, .connectionTestFailed,
            .connectionValidationFailed, .invalidCredentials, .refreshTokenExternalError, .missingAPIURL,
            .outboundRefused, .baseURLOverrideNotAllowed, .proxyRedirectToDeniedHost, .invalidSyncRecord,
            .invalidActionInput, .invalidActionOutput, .scriptOutputTooLarge, .invalidDefinition,
            .functionManagedByDeploy, .webhookInvalidPayload:
            .badRequest
        case .missingAuthHeader, .malformedAuthHeader, .invalidSecretKeyFormat, .unknownAccount,
            .invalidConnectSessionTokenFormat, .unknownConnectSessionToken, .webhookInvalidSignature,
            .webhookMissingSignature:
            .unauthorized
        case .forbidden: .forbidden
        case .notFound, .unknownDelivery, .unknownEnvironment: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .conflict, .staleRun, .cursorAheadOfHistory, .idempotencyKeyInUse, .ambiguousFunction: .conflict
        case .idempotencyKeyReused: .unprocessableContent
        case .cursorExpired: .gone
        case .payloadTooLarge: .contentTooLarge
        case .unsupportedMediaType: .unsupportedMediaType
        case .tooManyRequests: .tooManyRequests
        case .connectionRefreshBackoff, .connectionRefreshExhausted, .providerError, .providerUnreachable,
            .scriptHTTPError, .outcomeUnknown:
            .init(code: 424, reasonPhrase: "Failed Dependency")
        case .storageUnavailable: .serviceUnavailable
        case .scriptError, .scriptLimitExceeded, .scriptHostLost, .actionScriptFailure, .invalidConfiguration,
            .dataFolderInUse, .serverError:
            .internalServerError
        }
    }

    /// `{"error":{…}}`.
    var json: JSONValue {
        var error = JSONObject([("code", .string(code.rawValue)), ("message", .string(message))])
        if !issues.isEmpty {
            error["errors"] = .array(
                issues.map { issue in
                    [
                        "code": .string(issue.code), "message": .string(issue.message), "path": JSONValue(issue.path),
                    ]
                }
            )
        }
        error["payload"] = payload
        error["upstream"] = upstream
        return .object(JSONObject([("error", .object(error))]))
    }
}
