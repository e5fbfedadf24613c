public import TerapiCore

/// What can be asked of the providers of the catalogue, through one client.
public struct ProviderRequests: ProviderAPI {
    private let shelf: CatalogShelf
    let client: any OutboundClient
    let clock: any WallClock

    public init(catalog: ProviderCatalog, client: any OutboundClient, clock: any WallClock) {
        self.init(shelf: CatalogShelf(catalog), client: client, clock: clock)
    }

    public init(shelf: CatalogShelf, client: any OutboundClient, clock: any WallClock) {
        self.shelf = shelf
        self.client = client
        self.clock = clock
    }

    var catalog: ProviderCatalog { shelf.current }

    public var providers: [Provider] { catalog.providers }

    public func provider(_ name: String) -> Provider? {
        catalog.provider(name)
    }

    // MARK: Requests

    public func verify(_ access: ConnectionAccess) async throws {
        let provider = try required(access.integration.provider)
        guard let verification = provider.proxy.verification, !verification.endpoints.isEmpty else { return }
        let builder = ConnectionRequest(provider: provider, values: values(access))
        var problem = TerapiError(.connectionTestFailed, "")
        for endpoint in verification.endpoints {
            let request = ScriptRequest(
                method: verification.method,
                endpoint: endpoint,
                headers: verification.headers,
                body: verification.data?.encoded()
            )
            do {
                let response = try await client.send(
                    builder.build(
                        request,
                        purpose: .verification,
                        baseURLOverride: verification.baseURLOverride,
                        timeout: .seconds(30)
                    )
                )
                if response.status < 400 { return }
                problem = TerapiError(
                    .connectionTestFailed,
                    "\(provider.displayName) refused the credentials: it answered \(response.status).",
                    payload: ["status": JSONValue(response.status)]
                )
            } catch let error as TerapiError where ![.invalidBody, .missingAPIURL].contains(error.code) {
                problem = TerapiError(
                    .connectionTestFailed,
                    "The credentials could not be tested: \(error.message)",
                    cause: error
                )
            }
        }
        throw problem
    }

    public func send(_ request: ScriptRequest, access: ConnectionAccess) async throws -> ScriptResponse {
        let provider = try required(access.integration.provider)
        let response = try await client.send(
            ConnectionRequest(provider: provider, values: values(access)).build(request, purpose: .script)
        )
        return ScriptResponse(status: response.status, headers: response.headers, body: response.body)
    }

    public func nextStep(
        after response: ScriptResponse,
        to request: ScriptRequest,
        provider: String,
        attempt: Int,
        now: Timestamp
    ) -> RequestStep {
        let retry = catalog.provider(provider)?.proxy.retry ?? Provider.Retry()
        return RetryRule(retry: retry).step(after: response, to: request, attempt: attempt, now: now)
    }

    // MARK: Values

    func required(_ name: String) throws -> Provider {
        guard let provider = catalog.provider(name) else {
            throw TerapiError(.unknownProvider, "The provider \"\(name)\" is not in the catalogue.")
        }
        return provider
    }

    func values(
        _ integration: Integration,
        _ config: JSONObject,
        now: Timestamp? = nil
    ) -> TemplateValues {
        var config = config
        // Where provider files look for the page from which an app is installed.
        if let link = integration.credentials?.app?.link, config["appPublicLink"] == nil {
            config["appPublicLink"] = .string(link)
        }
        return TemplateValues(
            connectionConfig: config,
            integrationConfig: integration.custom,
            clientID: integration.credentials?.clientID,
            clientSecret: integration.credentials?.clientSecret,
            now: now ?? clock.now
        )
    }

    func values(_ access: ConnectionAccess) -> TemplateValues {
        let config = catalog.provider(access.integration.provider)?.filledConfig(access.config) ?? access.config
        var values = values(access.integration, config)
        values.metadata = access.metadata
        values.credentials = access.credentials
        if let override = access.credentials.configOverride {
            values.apply(override)
        } else if case .derived(let derived) = access.credentials, derived.mode == .oauth2ClientCredentials {
            values.clientID = derived.given["client_id"]?.string
            values.clientSecret = derived.given["client_secret"]?.string.map { Secret($0) }
        }
        return values
    }
}
