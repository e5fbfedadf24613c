import HTTPTypes
import TerapiCore

extension API {
    /// Everything that can be asked of the server, and by whom.
    var publicRoutes: [Route] {
        let health = HealthRoutes(readiness: readiness)
        let records = RecordRoutes(records: ports.records)
        let connections = ConnectionRoutes(
            settings: ports.settings, connections: ports.connections, providers: ports.providers,
            connectFlow: ports.connectFlow, credentials: ports.credentials
        )
        let metadata = MetadataRoutes(connections: ports.connections)
        let sessions = ConnectSessionRoutes(
            settings: ports.settings, connections: ports.connections, publicURL: configuration.publicURL
        )
        let integrations = IntegrationRoutes(
            settings: ports.settings, providers: ports.providers, connectFlow: ports.connectFlow,
            publicURL: configuration.publicURL
        )
        let syncs = SyncRoutes(syncs: ports.syncControl)
        let functions = Functions(
            settings: ports.settings, syncs: ports.syncControl, actions: ports.actionControl,
            functions: ports.functionControl
        )
        let providers = ProviderRoutes(providers: ports.providers, functions: functions)
        let models = ModelRoutes()
        let scripts = ScriptRoutes(functions: functions)
        let function = FunctionRoutes(functions: functions, control: ports.functionControl)
        let deploy = DeployRoutes(settings: ports.settings, deployments: ports.deployControl)
        let actions = ActionRoutes(actions: ports.actionControl)
        let proxy = ProxyRoutes(
            proxy: ports.proxyControl, clients: clients, knowsNangoNames: configuration.knowsNangoNames
        )
        let environment = EnvironmentRoutes(settings: ports.settings)
        let webhooks = WebhookEventRoutes(webhooks: ports.webhooks, deliveries: ports.deliveryControl)
        let hooks = ProviderWebhookRoutes(webhooks: ports.providerWebhooks, publicURL: configuration.publicURL)
        let subscriptions = WebhookSubscriptionRoutes(webhooks: ports.providerWebhooks)
        let offered = OfferedEndpoints(syncs: ports.syncControl, actions: ports.actionControl)
        let endpoints = EndpointRoutes(offered: offered, records: records, actions: actions)
        let openAPI = OpenAPIRoutes(settings: ports.settings, offered: offered, publicURL: configuration.publicURL)
        let mcp = MCPRoutes(connections: ports.connections, actions: ports.actionControl)
        let logs = LogRoutes(logs: ports.logs)
        let oauth = OAuthRoutes(
            settings: ports.settings, connectFlow: ports.connectFlow, publicURL: configuration.publicURL
        )
        let clientDocument = ClientDocumentRoutes(
            settings: ports.settings, providers: ports.providers, publicURL: configuration.publicURL
        )
        let typedIn = TypedCredentialRoutes(connectFlow: ports.connectFlow)
        let page = ConnectPageRoutes(
            settings: ports.settings, providers: ports.providers, authenticator: authenticator
        )
        // What the scripts of an integration offer themselves.
        let own = ScriptEndpoint.Method.allCases.map { method in
            Route(
                HTTPRequest.Method(method), "/v1/*", .keyWithAny([.readRecords, .executeActions]), query: true,
                endpoints.serve
            )
        }
        return [
            Route(.get, "/health", .anyone, health.health),
            Route(.get, "/ready", .anyone, health.ready),

            Route(.get, "/records", .key(.readRecords), query: true, records.list),

            Route(.get, "/connections", .key(.listConnections), query: true, connections.list),
            Route(.post, "/connections", .key(.createConnection), connections.create),
            Route(.post, "/connections/metadata", .key(.updateConnection), metadata.replace),
            Route(.patch, "/connections/metadata", .key(.updateConnection), metadata.merge),
            Route(.get, "/connections/:connectionId", .key(.readConnection), query: true, connections.one),
            Route(.patch, "/connections/:connectionId", .key(.updateConnection), query: true, connections.update),
            Route(.delete, "/connections/:connectionId", .key(.deleteConnection), query: true, connections.delete),

            // The older names of the same.
            Route(.get, "/connection", .key(.listConnections), query: true, connections.list),
            Route(.post, "/connection", .key(.createConnection), connections.createFlat),
            Route(.post, "/connection/metadata", .key(.updateConnection), metadata.replace),
            Route(.patch, "/connection/metadata", .key(.updateConnection), metadata.merge),
            Route(.get, "/connection/:connectionId", .key(.readConnection), query: true, connections.one),
            Route(.delete, "/connection/:connectionId", .key(.deleteConnection), query: true, connections.delete),
            Route(.post, "/connection/:connectionId/metadata", .key(.updateConnection), metadata.replaceOne),
            Route(.patch, "/connection/:connectionId/metadata", .key(.updateConnection), metadata.mergeOne),

            Route(.post, "/connect/sessions", .key(.writeConnectSessions), sessions.create),
            Route(.post, "/connect/sessions/reconnect", .key(.writeConnectSessions), sessions.reconnect),
            Route(.get, "/connect/session", .session, sessions.current),
            Route(.delete, "/connect/session", .session, sessions.deleteCurrent),
            Route(.get, "/connect/attempts/:attemptId", .session, sessions.attempt),

            // Providers. Each says by its own signature who it is.
            Route(.get, "/webhook/:environment/:uniqueKey", .anyone, query: true, hooks.receive),
            Route(.post, "/webhook/:environment/:uniqueKey", .anyone, query: true, hooks.receive),
            Route(.get, "/webhook/:environment/:uniqueKey/:token", .anyone, query: true, hooks.receive),
            Route(.post, "/webhook/:environment/:uniqueKey/:token", .anyone, query: true, hooks.receive),
            Route(.get, "/provider-webhooks", .key(.readLogs), query: true, hooks.list),
            Route(.post, "/provider-webhooks/replay", .key(.executeSyncs), hooks.replay),
            Route(.get, "/provider-webhooks/:webhookId", .key(.readLogs), hooks.one),
            Route(.post, "/provider-webhooks/:webhookId/replay", .key(.executeSyncs), hooks.replayOne),
            Route(.get, "/webhook-subscriptions", .key(.readConnection), subscriptions.list),
            Route(.post, "/webhook-subscriptions", .key(.updateConnection), subscriptions.create),
            Route(
                .post, "/webhook-subscriptions/:subscriptionId/renew", .key(.updateConnection), subscriptions.renew
            ),
            Route(.delete, "/webhook-subscriptions/:subscriptionId", .key(.updateConnection), subscriptions.delete),

            // The end user's browser.
            Route(.get, "/connect/:token", .anyone, reader: .person, page.show),
            Route(.get, "/connect/assets/:name", .anyone, page.asset),
            Route(.get, "/oauth/connect/:uniqueKey", .session, query: true, reader: .person, oauth.begin),
            Route(.get, "/oauth/callback", .anyone, query: true, reader: .person, oauth.callback),
            Route(.get, "/oauth/callback/:uniqueKey", .anyone, query: true, reader: .person, oauth.callback),
            Route(.post, "/api-auth/api-key/:uniqueKey", .session, query: true, typedIn.apiKey),
            Route(.post, "/api-auth/basic/:uniqueKey", .session, query: true, typedIn.basic),
            Route(.post, "/oauth2/auth/:uniqueKey", .session, query: true, typedIn.derived(.oauth2ClientCredentials)),
            Route(.post, "/auth/tba/:uniqueKey", .session, query: true, typedIn.tokenBased),
            Route(.post, "/auth/jwt/:uniqueKey", .session, query: true, typedIn.derived(.jwt)),
            Route(.post, "/auth/bill/:uniqueKey", .session, query: true, typedIn.derived(.bill)),
            Route(.post, "/auth/two-step/:uniqueKey", .session, query: true, typedIn.derived(.twoStep)),
            Route(.post, "/auth/signature/:uniqueKey", .session, query: true, typedIn.derived(.signature)),
            Route(.post, "/auth/aws-sigv4/:uniqueKey", .session, query: true, typedIn.derived(.awsSigV4)),
            Route(.post, "/auth/unauthenticated/:uniqueKey", .session, query: true, typedIn.unauthenticated),
            Route(.get, "/app-auth/connect", .anyone, query: true, reader: .person, oauth.callback),
            Route(.get, "/oauth/client-metadata/:environmentUuid/:uniqueKey", .anyone, clientDocument.show),

            Route(.get, "/providers", .keyOrSession(.listIntegrations), query: true, providers.list),
            Route(.get, "/providers/:provider", .keyOrSession(.listIntegrations), providers.one),
            Route(.get, "/providers/:provider/templates", .key(.listIntegrations), providers.templates),
            Route(.get, "/models", .key(.listIntegrations), models.list),
            Route(.get, "/models/:model", .key(.listIntegrations), models.one),
            Route(.get, "/integrations", .keyOrSession(.listIntegrations), integrations.list),
            Route(.get, "/config", .key(.listIntegrations), integrations.listConfigs),
            Route(.post, "/integrations", .key(.createIntegration), integrations.create),
            Route(.get, "/integrations/:uniqueKey", .key(.readIntegration), query: true, integrations.one),
            Route(.patch, "/integrations/:uniqueKey", .key(.updateIntegration), integrations.update),
            Route(.delete, "/integrations/:uniqueKey", .key(.deleteIntegration), integrations.delete),
            Route(.get, "/scripts/config", .key(.listIntegrationFunctions), query: true, scripts.config),

            Route(.get, "/integrations/:uniqueKey/functions", .key(.listFunctions), query: true, function.list),
            Route(.get, "/integrations/:uniqueKey/functions/:name", .key(.readFunction), query: true, function.one),
            Route(
                .get, "/integrations/:uniqueKey/functions/:name/code", .key(.readFunction), query: true, function.code
            ),
            Route(.patch, "/integrations/:uniqueKey/functions/:name", .key(.deploy), query: true, function.update),
            Route(
                .delete, "/integrations/:uniqueKey/functions/:name", .key(.deleteFunction), query: true,
                function.delete
            ),
            Route(.post, "/functions/compile", .key(.compileFunction), function.compile),
            Route(.post, "/functions/dryruns", .key(.dryrunFunction), function.beginDryrun),
            Route(.get, "/functions/dryruns/:jobId", .key(.dryrunFunction), function.dryrun),
            Route(.post, "/functions/deployments", .key(.deploy), function.beginDeployment),
            Route(.get, "/functions/deployments/:jobId", .key(.deploy), function.deployment),

            Route(.post, "/sync/deploy/confirmation", .key(.deploy), size: .deployment, deploy.difference),
            Route(.post, "/sync/deploy", .key(.deploy), size: .deployment, deploy.deploy),
            Route(.get, "/sync/deploy", .key(.deploy), deploy.list),
            Route(.post, "/sync/deploy/rollback", .key(.deploy), deploy.rollback),

            Route(.post, "/sync/trigger", .key(.executeSyncs), syncs.trigger),
            Route(.post, "/sync/start", .key(.executeSyncs), syncs.start),
            Route(.post, "/sync/pause", .key(.executeSyncs), syncs.pause),
            Route(.get, "/sync/status", .key(.readSyncs), query: true, syncs.status),
            Route(.put, "/sync/update-connection-frequency", .key(.updateSyncs), syncs.setFrequency),
            Route(.post, "/sync/:name/variant/:variant", .key(.createSyncVariant), syncs.createVariant),
            Route(.delete, "/sync/:name/variant/:variant", .key(.deleteSyncVariant), syncs.deleteVariant),

            Route(.post, "/action/trigger", .key(.executeActions), actions.trigger),
            Route(.post, "/functions/invocations", .key(.invokeFunction), actions.invoke),
            Route(.get, "/action/:actionId", .key(.executeActions), actions.result),

            Route(.any, "/proxy/*", .key(.proxy), query: true, isRelay: true, proxy.relay),

            Route(.get, "/environment", .key(.readSettings), environment.current),
            Route(.patch, "/environment", .key(.updateSettings), environment.update),
            Route(.get, "/environment-variables", .key(.readVariables), environment.variables),
            Route(.get, "/environment/webhook-signing-key", .key(.readSettings), environment.signingKey),
            Route(
                .post, "/environment/webhook-signing-key/rotate", .key(.rotateWebhookSigningKey),
                environment.rotateSigningKey
            ),
            Route(.get, "/webhook-events", .key(.readLogs), query: true, webhooks.list),
            Route(.get, "/webhook-events/:eventId", .key(.readLogs), webhooks.one),
            Route(.post, "/webhook-events/replay", .key(.replayWebhooks), webhooks.replay),
            Route(.post, "/webhook-events/:eventId/replay", .key(.replayWebhooks), webhooks.replayOne),
            Route(.get, "/logs/operations", .key(.readLogs), query: true, logs.operations),
            Route(.get, "/logs/operations/:operationId/messages", .key(.readLogs), query: true, logs.messages),

            Route(.post, "/mcp", .key(.mcp), mcp.answer),
            Route(.get, "/v1/openapi.json", .key(.listIntegrationFunctions), query: true, openAPI.document),
        ]
            + own
    }

    /// What commands on the same machine ask through the socket in the data folder.
    var adminRoutes: [Route] {
        let health = HealthRoutes(readiness: readiness)
        let admin = AdminRoutes(settings: ports.settings, logs: ports.logs, authenticator: authenticator)
        let webhooks = AdminWebhookRoutes(
            webhooks: ports.webhooks, deliveries: ports.deliveryControl, admin: admin
        )
        let dryruns = ports.dryruns.map { DryrunRoutes(dryruns: $0, admin: admin) }
        let providerWebhooks = AdminProviderWebhookRoutes(
            admin: admin,
            webhooks: ProviderWebhookRoutes(webhooks: ports.providerWebhooks, publicURL: configuration.publicURL),
            subscriptions: WebhookSubscriptionRoutes(webhooks: ports.providerWebhooks)
        )
        return providerWebhooks.routes + [
            Route(.get, "/health", .anyone, health.health),
            Route(.get, "/admin/environments", .anyone, admin.environments),
            Route(.get, "/admin/logs/messages", .anyone, query: true, admin.messages),
            Route(.get, "/admin/api-keys", .anyone, query: true, admin.keys),
            Route(.post, "/admin/api-keys", .anyone, query: true, admin.createKey),
            Route(.delete, "/admin/api-keys/:keyId", .anyone, query: true, admin.deleteKey),
            Route(.get, "/admin/variables", .anyone, query: true, admin.variables),
            Route(.patch, "/admin/variables", .anyone, query: true, admin.changeVariables),
            Route(.post, "/admin/signing-key/rotate", .anyone, query: true, admin.rotateSigningKey),
            Route(.get, "/admin/webhook-events", .anyone, query: true, webhooks.list),
            Route(.post, "/admin/webhook-events/replay", .anyone, query: true, webhooks.replay),
        ]
            + (dryruns.map { dryruns in
                [
                    Route(.post, "/admin/dryrun/connection", .anyone, query: true, dryruns.connection),
                    Route(.post, "/admin/dryrun/request", .anyone, query: true, dryruns.request),
                    Route(.post, "/admin/dryrun/call", .anyone, query: true, dryruns.call),
                ]
            } ?? [])
    }
}
