public import TerapiCore

// Connect sessions, what is remembered while a browser is at the provider, and how attempts ended.

extension SQLStorage {
    /// How long the outcome of an attempt can be asked for.
    private static let attemptLifetime = Duration.seconds(600)

    public func createSession(_ session: ConnectSession, tokenHash: [UInt8]) async throws -> ConnectSession {
        let document = try box.seal(session.json.encoded(), for: .session(tokenHash, session.scope))
        var stored = session
        stored.id = try await database.write { transaction in
            try Self.insert(
                """
                insert into connect_session (environment_id, token_hash, document, expires_at)
                values ($1, $2, $3, $4) returning id
                """,
                [SQLValue(session.scope), .blob(tokenHash), .blob(document), SQLValue(session.expiresAt)],
                in: transaction
            )
        }
        return stored
    }

    public func session(tokenHash: [UInt8], now: Timestamp) async throws -> ConnectSession? {
        try await database.read { [box] snapshot in
            try snapshot.first(
                Self.selectSession + "where token_hash = $1 and expires_at > $2",
                [.blob(tokenHash), SQLValue(now)]
            ) { try Self.session($0, box: box) }
        }
    }

    public func session(row: Int64) async throws -> ConnectSession? {
        try await database.read { [box] snapshot in
            try snapshot.first(Self.selectSession + "where id = $1", [.integer(row)]) {
                try Self.session($0, box: box)
            }
        }
    }

    public func deleteSession(row: Int64) async throws {
        try await database.write { try $0.run("delete from connect_session where id = $1", [.integer(row)]) }
    }

    public func createOAuthSession(_ oauth: OAuthSession, attempt: ConnectAttempt) async throws {
        let document = try box.seal(oauth.json.encoded(), for: .oauthSession(oauth.state, oauth.scope))
        try await database.write { transaction in
            try transaction.run(
                "insert into oauth_session (state, environment_id, document, expires_at) values ($1, $2, $3, $4)",
                [.text(oauth.state), SQLValue(oauth.scope), .blob(document), SQLValue(oauth.expiresAt)]
            )
            try transaction.run(
                """
                insert into connect_attempt (id, environment_id, session_id, integration_key, state, created_at)
                values ($1, $2, $3, $4, 'pending', $5)
                """,
                [
                    .text(attempt.id), SQLValue(attempt.scope), .integer(attempt.sessionID),
                    .text(attempt.integrationKey), SQLValue(attempt.createdAt),
                ]
            )
        }
    }

    public func takeOAuthSession(state: String, now: Timestamp) async throws -> OAuthSession? {
        try await database.write { [box] transaction in
            let taken = try transaction.first(
                "delete from oauth_session where state = $1 returning environment_id, document, expires_at",
                [.text(state)]
            ) { row in
                (
                    scope: EnvironmentScope(environmentID: row.integer(0)), document: row.bytes(1),
                    expires: row.timestamp(2)
                )
            }
            guard let taken, taken.expires > now else { return nil }
            let plain = try box.open(taken.document, for: .oauthSession(state, taken.scope))
            return try OAuthSession(
                json: storedJSON(plain),
                state: state,
                scope: taken.scope,
                expiresAt: taken.expires
            )
        }
    }

    public func setAttempt(_ id: String, state: ConnectAttempt.State) async throws {
        var values: [SQLValue] = [.text(id)]
        switch state {
        case .pending: values += ["pending", nil, nil, nil]
        case .success(let connectionID): values += ["success", .text(connectionID), nil, nil]
        case .failure(let type, let message): values += ["error", nil, .text(type), .text(message)]
        }
        let bound = values
        try await database.write { transaction in
            try transaction.run(
                """
                update connect_attempt set state = $2, connection_id = $3, error_type = $4, error_message = $5
                where id = $1
                """,
                bound
            )
        }
    }

    public func attempt(_ id: String, sessionRow: Int64, now: Timestamp) async throws -> ConnectAttempt? {
        try await database.read { snapshot in
            try snapshot.first(
                """
                select environment_id, integration_key, state, connection_id, error_type, error_message, created_at
                from connect_attempt where id = $1 and session_id = $2 and created_at > $3
                """,
                [.text(id), .integer(sessionRow), SQLValue(now - Self.attemptLifetime)]
            ) { row in
                let state: ConnectAttempt.State
                switch row.text(2) {
                case "success": state = .success(connectionID: row.text(3))
                case "error": state = .failure(type: row.text(4), message: row.text(5))
                default: state = .pending
                }
                return ConnectAttempt(
                    id: id,
                    sessionID: sessionRow,
                    scope: EnvironmentScope(environmentID: row.integer(0)),
                    integrationKey: row.text(1),
                    state: state,
                    createdAt: row.timestamp(6)
                )
            }
        }
    }

    public func pruneSessions(now: Timestamp) async throws {
        try await database.write { transaction in
            try transaction.run("delete from connect_session where expires_at <= $1", [SQLValue(now)])
            try transaction.run("delete from oauth_session where expires_at <= $1", [SQLValue(now)])
            try transaction.run(
                "delete from connect_attempt where created_at <= $1",
                [SQLValue(now - Self.attemptLifetime)]
            )
        }
    }

    private static let selectSession: SQL =
        "select id, environment_id, token_hash, document, expires_at from connect_session"

    private static func session(_ row: any Row, box: SecretBox) throws -> ConnectSession {
        let scope = EnvironmentScope(environmentID: row.integer(1))
        let plain = try box.open(row.bytes(3), for: .session(row.bytes(2), scope))
        return ConnectSession(
            json: try storedJSON(plain),
            id: row.integer(0),
            scope: scope,
            expiresAt: row.timestamp(4)
        )
    }
}

extension SecretBox.Place {
    fileprivate static func session(_ tokenHash: [UInt8], _ scope: EnvironmentScope) -> SecretBox.Place {
        SecretBox.Place(
            table: "connect_session",
            column: "document",
            environmentID: scope.environmentID,
            row: hex(tokenHash)
        )
    }

    fileprivate static func oauthSession(_ state: String, _ scope: EnvironmentScope) -> SecretBox.Place {
        SecretBox.Place(
            table: "oauth_session",
            column: "document",
            environmentID: scope.environmentID,
            row: state
        )
    }
}

extension ConnectSession {
    fileprivate var json: JSONValue {
        [
            "endUser": endUser?.json ?? .null,
            "tags": JSONValue(tags),
            "allowedIntegrations": JSONValue(allowedIntegrations),
            "allowedOrigins": JSONValue(allowedOrigins),
            "defaults": .object(JSONObject(defaults.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) })),
            "connectionID": JSONValue(connectionID),
            "isReconnect": .bool(isReconnect),
            "webhookURLOverride": JSONValue(webhookURLOverride),
        ]
    }

    fileprivate init(json: JSONValue, id: Int64, scope: EnvironmentScope, expiresAt: Timestamp) {
        self.init(
            id: id,
            scope: scope,
            endUser: json["endUser"].flatMap(EndUser.init(json:)),
            tags: json["tags"]?.strings ?? [:],
            allowedIntegrations: json["allowedIntegrations"]?.stringArray ?? [],
            allowedOrigins: json["allowedOrigins"]?.stringArray ?? [],
            defaults: Dictionary(
                (json["defaults"]?.object?.members ?? []).map { ($0.name, Defaults(json: $0.value)) },
                uniquingKeysWith: { $1 }
            ),
            connectionID: json["connectionID"]?.string,
            isReconnect: json["isReconnect"]?.bool ?? false,
            webhookURLOverride: json["webhookURLOverride"]?.string,
            expiresAt: expiresAt
        )
    }
}

extension ConnectSession.Defaults {
    fileprivate var json: JSONValue {
        [
            "userScopes": JSONValue(userScopes),
            "authorizationParams": JSONValue(authorizationParams),
            "connectionConfig": .object(connectionConfig),
        ]
    }

    fileprivate init(json: JSONValue) {
        self.init(
            userScopes: json["userScopes"]?.stringArray ?? [],
            authorizationParams: json["authorizationParams"]?.strings ?? [:],
            connectionConfig: json["connectionConfig"]?.object ?? [:]
        )
    }
}

extension EndUser {
    fileprivate var json: JSONValue {
        [
            "id": .string(id),
            "email": JSONValue(email),
            "displayName": JSONValue(displayName),
            "tags": JSONValue(tags),
            "organizationID": JSONValue(organizationID),
            "organizationDisplayName": JSONValue(organizationDisplayName),
        ]
    }

    fileprivate init?(json: JSONValue) {
        guard let id = json["id"]?.string else { return nil }
        self.init(
            id: id,
            email: json["email"]?.string,
            displayName: json["displayName"]?.string,
            tags: json["tags"]?.strings ?? [:],
            organizationID: json["organizationID"]?.string,
            organizationDisplayName: json["organizationDisplayName"]?.string
        )
    }
}

extension OAuthSession {
    fileprivate var json: JSONValue {
        [
            "attemptID": .string(attemptID),
            "sessionID": JSONValue(sessionID),
            "integrationKey": .string(integrationKey),
            "connectionID": .string(connectionID),
            "connectionConfig": .object(connectionConfig),
            "codeVerifier": JSONValue(codeVerifier),
            "browserHash": .string(hex(browserHash)),
            "redirectURI": .string(redirectURI),
            "openerOrigin": JSONValue(openerOrigin),
            "returnURL": JSONValue(returnURL),
            "notes": notes.stored,
        ]
    }

    fileprivate init(json: JSONValue, state: String, scope: EnvironmentScope, expiresAt: Timestamp) throws {
        guard let attemptID = json["attemptID"]?.string, let sessionID = json["sessionID"]?.int,
            let integrationKey = json["integrationKey"]?.string, let connectionID = json["connectionID"]?.string,
            let redirectURI = json["redirectURI"]?.string,
            let browserHash = json["browserHash"]?.string.flatMap(bytes(fromHex:))
        else { throw TerapiError(.serverError, "A stored authorization is in a form that this version does not know.") }
        self.init(
            state: state,
            attemptID: attemptID,
            sessionID: Int64(sessionID),
            scope: scope,
            integrationKey: integrationKey,
            connectionID: connectionID,
            connectionConfig: json["connectionConfig"]?.object ?? [:],
            codeVerifier: json["codeVerifier"]?.string.map { Secret($0) },
            browserHash: browserHash,
            redirectURI: redirectURI,
            openerOrigin: json["openerOrigin"]?.string,
            returnURL: json["returnURL"]?.string,
            notes: AuthorizationNotes(stored: json["notes"]),
            expiresAt: expiresAt
        )
    }
}

private func bytes(fromHex text: String) -> [UInt8]? {
    let digits = text.compactMap(\.hexDigitValue)
    guard digits.count == text.count, digits.count % 2 == 0 else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
