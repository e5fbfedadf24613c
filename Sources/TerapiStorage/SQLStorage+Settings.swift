public import TerapiCore

extension SQLStorage: SettingsStorage {
    public func environments() async throws -> [Environment] {
        try await database.read { try $0.query(Self.selectEnvironment + "order by id", row: Self.environment) }
    }

    public func createEnvironment(name: String, signingKey: Secret, now: Timestamp) async throws -> Environment {
        try await write { [box] transaction in
            let settings = EnvironmentSettings()
            let uuid = randomUUID()
            // The change key is bound to the row's number, which is known only when the row is there.
            let id = try Self.insert(
                """
                insert into environment (uuid, name, settings, change_key, created_at)
                values ($1, $2, $3, $4, $5) returning id
                """,
                [.text(uuid), .text(name), SQLValue(settings.json), .blob([]), SQLValue(now)],
                in: transaction
            )
            try transaction.run(
                "update environment set change_key = $2 where id = $1",
                [.integer(id), .blob(try box.seal(randomBytes(32), for: .changeKey(environmentID: id)))]
            )
            try Self.insertSigningKey(signingKey, environmentID: id, now: now, box: box, in: transaction)
            return Environment(id: id, uuid: uuid, name: name, settings: settings, createdAt: now)
        } onConflict: {
            TerapiError(.conflict, "There is an environment named \"\(name)\" already.")
        }
    }

    public func environment(_ scope: EnvironmentScope) async throws -> Environment {
        let environment = try await database.read { snapshot in
            try snapshot.first(Self.selectEnvironment + "where id = $1", [SQLValue(scope)], row: Self.environment)
        }
        guard let environment else { throw TerapiError(.notFound, "There is no such environment.") }
        return environment
    }

    public func updateSettings(_ settings: EnvironmentSettings, in scope: EnvironmentScope) async throws {
        try await database.write { transaction in
            try transaction.run(
                "update environment set settings = $2 where id = $1",
                [SQLValue(scope), SQLValue(settings.json)]
            )
        }
    }

    // MARK: Signing keys

    public func signingKeys(in scope: EnvironmentScope, now: Timestamp) async throws -> [WebhookSigningKey] {
        try await database.read { [box] snapshot in
            try snapshot.query(
                """
                select id, secret, created_at, expires_at from signing_key
                where environment_id = $1 and (expires_at is null or expires_at > $2)
                order by expires_at is not null, id desc
                """,
                [SQLValue(scope), SQLValue(now)]
            ) { row in
                let secret = try box.open(row.bytes(1), for: .signingKey(scope.environmentID))
                return WebhookSigningKey(
                    id: row.integer(0),
                    secret: Secret(String(decoding: secret, as: UTF8.self)),
                    createdAt: row.timestamp(2),
                    expiresAt: row.timestampIfPresent(3)
                )
            }
        }
    }

    public func rotateSigningKey(
        to secret: Secret,
        in scope: EnvironmentScope,
        now: Timestamp,
        replacedExpiresAt: Timestamp
    ) async throws {
        try await database.write { [box] transaction in
            try transaction.run(
                "update signing_key set expires_at = $2 where environment_id = $1 and expires_at is null",
                [SQLValue(scope), SQLValue(replacedExpiresAt)]
            )
            try Self.insertSigningKey(
                secret,
                environmentID: scope.environmentID,
                now: now,
                box: box,
                in: transaction
            )
        }
    }

    private static func insertSigningKey(
        _ secret: Secret,
        environmentID: Int64,
        now: Timestamp,
        box: SecretBox,
        in transaction: any Transaction
    ) throws {
        let sealed = try box.seal(Array(secret.reveal().utf8), for: .signingKey(environmentID))
        try transaction.run(
            "insert into signing_key (environment_id, secret, created_at) values ($1, $2, $3)",
            [.integer(environmentID), .blob(sealed), SQLValue(now)]
        )
    }

    // MARK: API keys

    public func createAPIKey(
        displayName: String,
        scopes: Set<APIScope>,
        tokenHash: [UInt8],
        in scope: EnvironmentScope,
        now: Timestamp
    ) async throws -> APIKey {
        let id = try await database.write { transaction in
            try Self.insert(
                """
                insert into api_key (environment_id, display_name, scopes, token_hash, created_at)
                values ($1, $2, $3, $4, $5) returning id
                """,
                [
                    SQLValue(scope), .text(displayName), .text(scopes.map(\.rawValue).sorted().joined(separator: " ")),
                    .blob(tokenHash), SQLValue(now),
                ],
                in: transaction
            )
        }
        return APIKey(
            id: id,
            scope: scope,
            displayName: displayName,
            scopes: scopes,
            createdAt: now,
            lastUsedAt: nil
        )
    }

    public func apiKey(tokenHash: [UInt8]) async throws -> APIKey? {
        try await database.read { snapshot in
            try snapshot.first(Self.selectAPIKey + "where token_hash = $1", [.blob(tokenHash)], row: Self.apiKey)
        }
    }

    public func apiKeys(in scope: EnvironmentScope) async throws -> [APIKey] {
        try await database.read { snapshot in
            try snapshot.query(
                Self.selectAPIKey + "where environment_id = $1 order by id",
                [SQLValue(scope)],
                row: Self.apiKey
            )
        }
    }

    public func noteUse(ofAPIKey id: Int64, at moment: Timestamp) async throws {
        try await database.write { transaction in
            try transaction.run(
                "update api_key set last_used_at = $2 where id = $1 and coalesce(last_used_at, 0) < $2",
                [.integer(id), SQLValue(moment)]
            )
        }
    }

    public func deleteAPIKey(id: Int64, in scope: EnvironmentScope) async throws {
        try await database.write { transaction in
            try transaction.run(
                "delete from api_key where id = $1 and environment_id = $2",
                [.integer(id), SQLValue(scope)]
            )
        }
    }

    // MARK: Integrations

    public func createIntegration(_ integration: Integration) async throws -> Integration {
        try await write { [box] transaction in
            var stored = integration
            // The secrets are bound to the row's number, which is known only when the row is there.
            stored.id = try Self.insert(
                """
                insert into integration
                    (environment_id, key, provider, display_name, forwards_webhooks, secrets, created_at, updated_at)
                values ($1, $2, $3, $4, $5, $6, $7, $8) returning id
                """,
                [
                    SQLValue(integration.scope), .text(integration.key), .text(integration.provider),
                    .text(integration.displayName), SQLValue(integration.forwardsWebhooks), .blob([]),
                    SQLValue(integration.createdAt), SQLValue(integration.updatedAt),
                ],
                in: transaction
            )
            try transaction.run(
                "update integration set secrets = $2 where id = $1",
                [.integer(stored.id), .blob(try Self.sealSecrets(of: stored, box: box))]
            )
            return stored
        } onConflict: {
            TerapiError(.conflict, "There is an integration \"\(integration.key)\" in this environment already.")
        }
    }

    public func integrations(in scope: EnvironmentScope) async throws -> [Integration] {
        try await database.read { [box] snapshot in
            try snapshot.query(Self.selectIntegration + "where environment_id = $1 order by key", [SQLValue(scope)]) {
                try Self.integration($0, box: box)
            }
        }
    }

    public func integration(key: String, in scope: EnvironmentScope) async throws -> Integration? {
        try await database.read { [box] snapshot in
            try snapshot.first(
                Self.selectIntegration + "where environment_id = $1 and key = $2",
                [SQLValue(scope), .text(key)]
            ) { try Self.integration($0, box: box) }
        }
    }

    public func updateIntegration(_ integration: Integration) async throws {
        let secrets = try Self.sealSecrets(of: integration, box: box)
        try await write { transaction in
            let values = [SQLValue.integer(integration.id), SQLValue(integration.scope)]
            let key = try transaction.first(
                "select key from integration where id = $1 and environment_id = $2",
                values
            ) { $0.text(0) }
            guard let key else {
                throw TerapiError(.unknownProviderConfig, "There is no integration \"\(integration.key)\".")
            }
            if key != integration.key,
                try transaction.exists(
                    "select 1 from connection where integration_id = $1 limit 1",
                    [.integer(integration.id)]
                )
            {
                throw TerapiError(
                    .conflict,
                    "The integration \"\(key)\" has connections, which know it by this name: it must stay."
                )
            }
            try transaction.run(
                """
                update integration
                set key = $3, provider = $4, display_name = $5, forwards_webhooks = $6, secrets = $7, updated_at = $8
                where id = $1 and environment_id = $2
                """,
                values + [
                    .text(integration.key), .text(integration.provider), .text(integration.displayName),
                    SQLValue(integration.forwardsWebhooks), .blob(secrets), SQLValue(integration.updatedAt),
                ]
            )
        } onConflict: {
            TerapiError(.conflict, "There is an integration \"\(integration.key)\" in this environment already.")
        }
    }

    public func deleteIntegration(key: String, in scope: EnvironmentScope, now: Timestamp) async throws {
        try await database.write { transaction in
            try transaction.run(
                "delete from integration where environment_id = $1 and key = $2",
                [SQLValue(scope), .text(key)]
            )
        }
    }
}

extension SQLStorage {
    /// A write whose breach of a unique constraint means something to the caller.
    func write<T: Sendable>(
        _ body: @escaping @Sendable (any Transaction) throws -> T,
        onConflict conflict: () -> TerapiError
    ) async throws -> T {
        do {
            return try await database.write(body)
        } catch let violation as ConstraintViolation where violation.kind == .unique {
            throw conflict()
        }
    }

    /// Runs an insert that ends in `returning id`.
    static func insert(_ sql: SQL, _ values: [SQLValue], in transaction: any Transaction) throws -> Int64 {
        let id = try transaction.first(sql, values) { $0.integer(0) }
        guard let id else { throw TerapiError(.serverError, "The database stored a row and did not name it.") }
        return id
    }

    private static let selectEnvironment: SQL = "select id, uuid, name, settings, created_at from environment"

    private static func environment(_ row: any Row) throws -> Environment {
        Environment(
            id: row.integer(0),
            uuid: row.text(1),
            name: row.text(2),
            settings: EnvironmentSettings(json: try row.json(3)),
            createdAt: row.timestamp(4)
        )
    }

    private static let selectAPIKey: SQL =
        "select id, environment_id, display_name, scopes, created_at, last_used_at from api_key"

    private static func apiKey(_ row: any Row) -> APIKey {
        APIKey(
            id: row.integer(0),
            scope: EnvironmentScope(environmentID: row.integer(1)),
            displayName: row.text(2),
            // A scope that this version does not know gives no right.
            scopes: Set(row.text(3).split(separator: " ").compactMap { APIScope(rawValue: String($0)) }),
            createdAt: row.timestamp(4),
            lastUsedAt: row.timestampIfPresent(5)
        )
    }

    private static let selectIntegration: SQL = """
        select id, environment_id, key, provider, display_name, forwards_webhooks, secrets, created_at, updated_at
        from integration
        """

    private static func integration(_ row: any Row, box: SecretBox) throws -> Integration {
        let id = row.integer(0)
        let environmentID = row.integer(1)
        let plain = try row.withBytes(6) { try box.open(bytes: $0, for: .integration(id, environmentID)) }
        let secrets = try storedJSON(plain)
        return Integration(
            id: id,
            scope: EnvironmentScope(environmentID: environmentID),
            key: row.text(2),
            provider: row.text(3),
            displayName: row.text(4),
            forwardsWebhooks: row.bool(5),
            credentials: secrets["credentials"].flatMap(IntegrationCredentials.init(json:)),
            custom: secrets["custom"]?.object ?? [:],
            createdAt: row.timestamp(7),
            updatedAt: row.timestamp(8)
        )
    }

    private static func sealSecrets(of integration: Integration, box: SecretBox) throws -> [UInt8] {
        let secrets: JSONValue = [
            "credentials": integration.credentials?.json ?? .null,
            "custom": .object(integration.custom),
        ]
        return try box.seal(secrets.encoded(), for: .integration(integration.id, integration.scope.environmentID))
    }
}

extension SecretBox.Place {
    fileprivate static func signingKey(_ environmentID: Int64) -> SecretBox.Place {
        SecretBox.Place(table: "signing_key", column: "secret", environmentID: environmentID, row: "")
    }

    fileprivate static func integration(_ id: Int64, _ environmentID: Int64) -> SecretBox.Place {
        SecretBox.Place(table: "integration", column: "secrets", environmentID: environmentID, row: String(id))
    }
}

extension EnvironmentSettings {
    fileprivate var json: JSONValue {
        [
            "primaryWebhookURL": JSONValue(primaryWebhookURL),
            "secondaryWebhookURL": JSONValue(secondaryWebhookURL),
            "sendsUnchangedSyncs": .bool(sendsUnchangedSyncs),
            "sendsAuthCreation": .bool(sendsAuthCreation),
            "sendsAuthRefreshErrors": .bool(sendsAuthRefreshErrors),
            "sendsSyncErrors": .bool(sendsSyncErrors),
            "sendsActionCompletions": .bool(sendsActionCompletions),
            "defaultOrigins": JSONValue(defaultOrigins),
        ]
    }

    /// What an older version did not store keeps its default.
    fileprivate init(json: JSONValue) {
        self.init()
        primaryWebhookURL = json["primaryWebhookURL"]?.string
        secondaryWebhookURL = json["secondaryWebhookURL"]?.string
        sendsUnchangedSyncs = json["sendsUnchangedSyncs"]?.bool ?? sendsUnchangedSyncs
        sendsAuthCreation = json["sendsAuthCreation"]?.bool ?? sendsAuthCreation
        sendsAuthRefreshErrors = json["sendsAuthRefreshErrors"]?.bool ?? sendsAuthRefreshErrors
        sendsSyncErrors = json["sendsSyncErrors"]?.bool ?? sendsSyncErrors
        sendsActionCompletions = json["sendsActionCompletions"]?.bool ?? sendsActionCompletions
        defaultOrigins = json["defaultOrigins"]?.stringArray ?? []
    }
}

extension IntegrationCredentials {
    fileprivate var json: JSONValue {
        [
            "type": .string(type),
            "clientID": .string(clientID),
            "clientSecret": JSONValue(clientSecret),
            "scopes": JSONValue(scopes),
            "webhookSecret": JSONValue(webhookSecret),
            "app": app.map { app in
                ["id": .string(app.id), "link": .string(app.link), "privateKey": .string(app.privateKey.reveal())]
            } ?? .null,
        ]
    }

    fileprivate init?(json: JSONValue) {
        guard let type = json["type"]?.string, let clientID = json["clientID"]?.string,
            let clientSecret = json["clientSecret"]?.string
        else { return nil }
        self.init(
            type: type,
            clientID: clientID,
            clientSecret: Secret(clientSecret),
            scopes: json["scopes"]?.stringArray ?? [],
            webhookSecret: json["webhookSecret"]?.string.map { Secret($0) },
            app: json["app"].flatMap(App.init(json:))
        )
    }
}

extension IntegrationCredentials.App {
    fileprivate init?(json: JSONValue) {
        guard let id = json["id"]?.string, let privateKey = json["privateKey"]?.string else { return nil }
        self.init(id: id, link: json["link"]?.string ?? "", privateKey: Secret(privateKey))
    }
}
