public import TerapiCore

// Credentials and the refresh protocol: a durable claim before any byte is sent, and a commit by generation.

extension SQLStorage {
    /// Orphans beyond this are the oldest: a provider that gives out so many at once accepts none of them for long.
    private static let keptOrphans = 5

    public func credentials(row: Int64) async throws -> StoredCredentials? {
        try await database.read { [box] snapshot in
            try snapshot.first(
                """
                select e.generation, e.credentials, e.previous, e.orphans, e.claim_attempt, e.claim_owner,
                    e.claim_deadline, e.refused_at, e.needs_reconnect, e.retry_after, e.failed_attempts,
                    c.environment_id
                from connection_credential e join connection c on c.id = e.connection_id
                where e.connection_id = $1
                """,
                [.integer(row)]
            ) { stored in
                let place = CredentialPlace(row: row, environmentID: stored.integer(11), box: box)
                var claim: StoredCredentials.Claim?
                if let attempt = stored.textIfPresent(4), let owner = stored.textIfPresent(5),
                    let deadline = stored.timestampIfPresent(6)
                {
                    claim = StoredCredentials.Claim(attempt: attempt, owner: owner, deadline: deadline)
                }
                return StoredCredentials(
                    generation: stored.integer(0),
                    credentials: try place.open(stored.bytes(1)),
                    previous: try stored.bytesIfPresent(2).map(place.open),
                    orphans: try stored.bytesIfPresent(3).map(place.openOrphans) ?? [],
                    claim: claim,
                    refusedAt: stored.timestampIfPresent(7),
                    needsReconnect: stored.bool(8),
                    retryAfter: stored.timestampIfPresent(9),
                    failedAttempts: Int(stored.integer(10))
                )
            }
        }
    }

    public func claimRefresh(
        row: Int64,
        generation: Int64,
        claim: StoredCredentials.Claim,
        now: Timestamp
    ) async throws -> Bool {
        try await database.write { transaction in
            try transaction.run(
                """
                update connection_credential set claim_attempt = $3, claim_owner = $4, claim_deadline = $5
                where connection_id = $1 and generation = $2 and (claim_deadline is null or claim_deadline < $6)
                """,
                [
                    .integer(row), .integer(generation), .text(claim.attempt), .text(claim.owner),
                    SQLValue(claim.deadline), SQLValue(now),
                ]
            ) > 0
        }
    }

    public func commitRefresh(
        _ new: NewCredentials,
        row: Int64,
        over generation: Int64,
        now: Timestamp
    ) async throws -> Bool {
        let credentials = new.credentials
        return try await database.write { [box] transaction in
            let stored = try transaction.first(
                """
                select c.environment_id, e.generation, e.orphans
                from connection_credential e join connection c on c.id = e.connection_id
                where e.connection_id = $1
                """,
                [.integer(row)]
            ) { (environmentID: $0.integer(0), generation: $0.integer(1), orphans: $0.bytesIfPresent(2)) }
            // The connection was deleted meanwhile: there is nothing left to keep alive.
            guard let stored else { return false }
            let place = CredentialPlace(row: row, environmentID: stored.environmentID, box: box)
            guard stored.generation == generation else {
                let orphans = try stored.orphans.map(place.openOrphans) ?? []
                try transaction.run(
                    """
                    update connection_credential set orphans = $2, orphaned_in_generation = $3
                    where connection_id = $1
                    """,
                    [
                        .integer(row),
                        .blob(try place.sealOrphans((orphans + [credentials]).suffix(Self.keptOrphans))),
                        .integer(stored.generation),
                    ]
                )
                return false
            }
            // Two further generations have been used by then: the orphans are not needed any more.
            try transaction.run(
                """
                update connection_credential set previous = credentials, credentials = $2, generation = generation + 1,
                    expires_at = $3, can_refresh = $4, claim_attempt = null, claim_owner = null, claim_deadline = null,
                    refused_at = null, needs_reconnect = 0, retry_after = null, failed_attempts = 0,
                    orphans = case when orphaned_in_generation + 2 <= generation then null else orphans end
                where connection_id = $1
                """,
                [
                    .integer(row), .blob(try place.seal(credentials)), SQLValue(credentials.expiresAt),
                    SQLValue(credentials.canRefresh),
                ]
            )
            if !new.config.isEmpty { try Self.mergeConfig(new.config, row: row, now: now, in: transaction) }
            return true
        }
    }

    private static func mergeConfig(
        _ config: JSONObject,
        row: Int64,
        now: Timestamp,
        in transaction: any Transaction
    ) throws {
        let known = try transaction.first("select config from connection where id = $1", [.integer(row)]) {
            try $0.json(0).object ?? [:]
        }
        guard let known else { return }
        let merged = known.merging(config)
        guard merged != known else { return }
        try transaction.run(
            "update connection set config = $2, updated_at = $3 where id = $1",
            [.integer(row), SQLValue(merged), SQLValue(now)]
        )
    }

    public func releaseRefresh(
        row: Int64,
        attempt: String,
        outcome: RefreshOutcome,
        now: Timestamp
    ) async throws {
        var retryAfter: Timestamp?
        var refusedAt: Timestamp?
        switch outcome {
        case .retry(let after): retryAfter = after
        case .refused: refusedAt = now
        }
        let values: [SQLValue] = [.integer(row), .text(attempt), SQLValue(retryAfter), SQLValue(refusedAt)]
        try await database.write { transaction in
            try transaction.run(
                """
                update connection_credential set claim_attempt = null, claim_owner = null, claim_deadline = null,
                    retry_after = $3, refused_at = coalesce(refused_at, $4), failed_attempts = failed_attempts + 1
                where connection_id = $1 and claim_attempt = $2
                """,
                values
            )
        }
    }

    public func condemn(
        row: Int64,
        generation: Int64,
        operationID: String,
        event: WebhookEvent?,
        now: Timestamp
    ) async throws -> Bool {
        try await database.write { transaction in
            try Self.condemn(
                row: row, generation: generation, operationID: operationID, event: event, in: transaction
            )
        }
    }

    static func condemn(
        row: Int64,
        generation: Int64,
        operationID: String,
        event: WebhookEvent?,
        in transaction: any Transaction
    ) throws -> Bool {
        let marked = try transaction.run(
            """
            update connection_credential set needs_reconnect = 1, claim_attempt = null, claim_owner = null,
                claim_deadline = null
            where connection_id = $1 and generation = $2 and needs_reconnect = 0
            """,
            [.integer(row), .integer(generation)]
        )
        guard marked > 0 else { return false }
        try setError(.auth, subject: "", operationID: operationID, row: row, in: transaction)
        if let event { try insert(event, in: transaction) }
        return true
    }

    public func connectionsExpiring(before moment: Timestamp, limit: Int) async throws -> [Int64] {
        try await database.read { snapshot in
            try snapshot.query(
                """
                select connection_id from connection_credential
                where can_refresh = 1 and needs_reconnect = 0 and expires_at < $1
                order by expires_at limit $2
                """,
                [SQLValue(moment), SQLValue(limit)]
            ) { $0.integer(0) }
        }
    }

    public func connectionsToVerify(
        since moment: Timestamp,
        refusedBefore refused: Timestamp,
        limit: Int
    ) async throws -> [Int64] {
        try await database.read { snapshot in
            try snapshot.query(
                """
                select connection_id from connection_credential
                where can_only_be_verified = 1 and needs_reconnect = 0 and (verified_at < $1 or refused_at < $2)
                order by verified_at limit $3
                """,
                [SQLValue(moment), SQLValue(refused), SQLValue(limit)]
            ) { $0.integer(0) }
        }
    }

    public func noteVerified(row: Int64, generation: Int64, now: Timestamp) async throws {
        try await database.write { transaction in
            let noted = try transaction.run(
                """
                update connection_credential set verified_at = $3, claim_attempt = null, claim_owner = null,
                    claim_deadline = null, refused_at = null, needs_reconnect = 0, retry_after = null,
                    failed_attempts = 0
                where connection_id = $1 and generation = $2
                """,
                [.integer(row), .integer(generation), SQLValue(now)]
            )
            guard noted > 0 else { return }
            try transaction.run(
                "delete from connection_error where connection_id = $1 and kind = 'auth'", [.integer(row)]
            )
        }
    }

    /// Gives a connection new credentials from a new authorization: a new generation and a clean slate.
    static func replaceCredentials(
        _ credentials: Credentials,
        row: Int64,
        environmentID: Int64,
        box: SecretBox,
        now: Timestamp,
        in transaction: any Transaction
    ) throws {
        let place = CredentialPlace(row: row, environmentID: environmentID, box: box)
        try transaction.run(
            """
            insert into connection_credential
                (connection_id, generation, credentials, expires_at, can_refresh, can_only_be_verified, verified_at)
            values ($1, 1, $2, $3, $4, $5, $6)
            on conflict (connection_id) do update set
                generation = connection_credential.generation + 1, credentials = excluded.credentials,
                previous = null, orphans = null, orphaned_in_generation = null, expires_at = excluded.expires_at,
                can_refresh = excluded.can_refresh, can_only_be_verified = excluded.can_only_be_verified,
                verified_at = excluded.verified_at, claim_attempt = null, claim_owner = null, claim_deadline = null,
                refused_at = null, needs_reconnect = 0, retry_after = null, failed_attempts = 0
            """,
            [
                .integer(row), .blob(try place.seal(credentials)), SQLValue(credentials.expiresAt),
                SQLValue(credentials.canRefresh), SQLValue(credentials.canOnlyBeVerified), SQLValue(now),
            ]
        )
    }
}

/// Where one connection's credentials are sealed to. The place is the row's and not the column's, because a statement
/// moves the current ones to the previous ones as they are.
private struct CredentialPlace {
    let box: SecretBox
    let place: SecretBox.Place
    let orphansPlace: SecretBox.Place

    init(row: Int64, environmentID: Int64, box: SecretBox) {
        self.box = box
        let row = String(row)
        place = SecretBox.Place(
            table: "connection_credential",
            column: "credentials",
            environmentID: environmentID,
            row: row
        )
        orphansPlace = SecretBox.Place(
            table: "connection_credential",
            column: "orphans",
            environmentID: environmentID,
            row: row
        )
    }

    func seal(_ credentials: Credentials) throws -> [UInt8] {
        try box.seal(credentials.stored.encoded(), for: place)
    }

    func open(_ sealed: [UInt8]) throws -> Credentials {
        try Credentials(stored: storedJSON(try box.open(sealed, for: place)))
    }

    func sealOrphans(_ orphans: some Sequence<Credentials>) throws -> [UInt8] {
        try box.seal(JSONValue.array(orphans.map(\.stored)).encoded(), for: orphansPlace)
    }

    func openOrphans(_ sealed: [UInt8]) throws -> [Credentials] {
        try (storedJSON(try box.open(sealed, for: orphansPlace)).array ?? []).map(Credentials.init(stored:))
    }
}
