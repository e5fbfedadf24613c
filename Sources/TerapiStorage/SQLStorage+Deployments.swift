public import TerapiCore

extension SQLStorage: DeploymentStorage {
    public func currentDeployment(in scope: EnvironmentScope) async throws -> DeployedScripts? {
        try await database.read { snapshot in
            try Self.deployments("order by d.version desc limit 1", [], in: scope, snapshot).first
                .map { try Self.scripts(of: $0, in: snapshot) }
        }
    }

    public func deployment(version: Int64, in scope: EnvironmentScope) async throws -> DeployedScripts? {
        try await database.read { snapshot in
            try Self.deployments("and d.version = $2", [.integer(version)], in: scope, snapshot).first
                .map { try Self.scripts(of: $0, in: snapshot) }
        }
    }

    public func deployments(in scope: EnvironmentScope) async throws -> [Deployment] {
        try await database.read { snapshot in
            try Self.deployments("order by d.version desc", [], in: scope, snapshot).map(\.deployment)
        }
    }

    public func deploy(_ deployment: NewDeployment, over base: Int64?, now: Timestamp) async throws -> Deployment? {
        try await database.write { transaction in
            let environment = SQLValue(deployment.scope)
            let current =
                try transaction.first(
                    "select max(version) from deployment where environment_id = $1",
                    [environment]
                ) { $0.integerIfPresent(0) } ?? nil
            guard current == base else { return nil }
            let version = (base ?? 0) + 1
            let row = try Self.insert(
                """
                insert into deployment (environment_id, version, origin, restored_version, created_at)
                values ($1, $2, $3, $4, $5) returning id
                """,
                [
                    environment, .integer(version), SQLValue(deployment.origin),
                    SQLValue(deployment.restoredVersion), SQLValue(now),
                ],
                in: transaction
            )
            for (hash, text) in deployment.modules {
                try Self.keep(text, hash: hash, isModule: true, deploymentID: row, in: transaction)
            }
            for script in deployment.scripts { try Self.insert(script, deploymentID: row, in: transaction) }
            for sync in deployment.removedSyncs { try Self.remove(sync, in: deployment.scope, transaction) }
            for model in deployment.removedModels {
                try Self.removeRecords(of: model, in: deployment.scope, transaction)
            }
            try transaction.run(
                "delete from deployment where environment_id = $1 and version <= $2",
                [environment, .integer(version - Int64(deployment.keptCount))]
            )
            try transaction.run(
                """
                delete from script_text
                where not exists (select 1 from deployed_text d where d.hash = script_text.hash)
                """
            )
            return Deployment(
                version: version,
                origin: deployment.origin,
                restoredVersion: deployment.restoredVersion,
                scriptCount: deployment.scripts.count,
                createdAt: now
            )
        }
    }

    public func reach(of syncs: [ScriptID], in scope: EnvironmentScope) async throws -> [ScriptID: Int] {
        try await database.read { snapshot in
            var counts: [ScriptID: Int] = [:]
            for sync in syncs {
                counts[sync] = try snapshot.first(
                    """
                    select count(distinct s.connection_id)
                    from sync s join connection c on c.id = s.connection_id join integration i on i.id = c.integration_id
                    where s.environment_id = $1 and i.key = $2 and s.name = $3
                    """,
                    [SQLValue(scope), .text(sync.integrationKey), .text(sync.name)]
                ) { Int($0.integer(0)) }
            }
            return counts
        }
    }

    public func recordCounts(of models: [ModelID], in scope: EnvironmentScope) async throws -> [ModelID: Int] {
        try await database.read { snapshot in
            var counts: [ModelID: Int] = [:]
            for model in models {
                let heads = try snapshot.query("select h.live" + Self.headsOfModel, Self.values(of: model, scope)) {
                    Int($0.integer(0))
                }
                counts[model] = heads.reduce(0, +)
            }
            return counts
        }
    }
}

extension SQLStorage {
    private static func deployments(
        _ condition: SQL,
        _ values: [SQLValue],
        in scope: EnvironmentScope,
        _ snapshot: any Snapshot
    ) throws -> [(row: Int64, deployment: Deployment)] {
        try snapshot.query(
            """
            select d.id, d.version, d.origin, d.restored_version, d.created_at,
                (select count(*) from deployed_script s where s.deployment_id = d.id)
            from deployment d where d.environment_id = $1
            """ + condition,
            [SQLValue(scope)] + values
        ) { row in
            (
                row.integer(0),
                Deployment(
                    version: row.integer(1),
                    origin: try row.value(2),
                    restoredVersion: row.integerIfPresent(3),
                    scriptCount: Int(row.integer(5)),
                    createdAt: row.timestamp(4)
                )
            )
        }
    }

    private static func scripts(
        of found: (row: Int64, deployment: Deployment),
        in snapshot: any Snapshot
    ) throws -> DeployedScripts {
        let scripts = try snapshot.query(
            """
            select s.integration_key, s.kind, s.name, s.language, s.source, s.declared, s.modules, s.deployed_at,
                code.text, map.text
            from deployed_script s join script_text code on code.hash = s.code_hash
                left join script_text map on map.hash = s.map_hash
            where s.deployment_id = $1
            """,
            [.integer(found.row)]
        ) { row in
            DeployedScript(
                id: ScriptID(integrationKey: row.text(0), kind: try row.value(1), name: row.text(2)),
                language: try row.value(3),
                source: try row.value(4),
                declared: try row.json(5).object ?? [:],
                code: row.text(8),
                sourceMap: row.textIfPresent(9),
                modules: try row.json(6).strings,
                deployedAt: row.timestamp(7)
            )
        }
        let modules = try snapshot.query(
            """
            select t.hash, t.text from deployed_text d join script_text t on t.hash = d.hash
            where d.deployment_id = $1 and d.is_module = 1
            """,
            [.integer(found.row)]
        ) { ($0.text(0), $0.text(1)) }
        return DeployedScripts(
            deployment: found.deployment,
            scripts: scripts.sorted { $0.id < $1.id },
            modules: Dictionary(modules) { first, _ in first }
        )
    }

    private static func insert(
        _ script: DeployedScript,
        deploymentID: Int64,
        in transaction: any Transaction
    ) throws {
        let codeHash = hex(sha256(Array(script.code.utf8)))
        let mapHash = script.sourceMap.map { hex(sha256(Array($0.utf8))) }
        try keep(script.code, hash: codeHash, deploymentID: deploymentID, in: transaction)
        if let map = script.sourceMap, let mapHash {
            try keep(map, hash: mapHash, deploymentID: deploymentID, in: transaction)
        }
        try transaction.run(
            """
            insert into deployed_script (deployment_id, integration_key, kind, name, language, source, declared, modules,
                code_hash, map_hash, deployed_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            """,
            [
                .integer(deploymentID), .text(script.id.integrationKey), SQLValue(script.id.kind),
                .text(script.id.name), SQLValue(script.language), SQLValue(script.source),
                SQLValue(script.declared), SQLValue(script.modules), .text(codeHash), SQLValue(mapHash),
                SQLValue(script.deployedAt),
            ]
        )
    }

    /// Texts are kept once, however many scripts and deployments have them.
    private static func keep(
        _ text: String,
        hash: String,
        isModule: Bool = false,
        deploymentID: Int64,
        in transaction: any Transaction
    ) throws {
        try transaction.run(
            "insert into script_text (hash, text) values ($1, $2) on conflict (hash) do nothing",
            [.text(hash), .text(text)]
        )
        try transaction.run(
            """
            insert into deployed_text (deployment_id, hash, is_module) values ($1, $2, $3)
            on conflict (deployment_id, hash) do update set is_module = max(is_module, excluded.is_module)
            """,
            [.integer(deploymentID), .text(hash), SQLValue(isModule)]
        )
    }

    // MARK: What a removal deletes

    private static let connectionsOf: SQL = """
        (select c.id from connection c join integration i on i.id = c.integration_id
        where i.environment_id = $1 and i.key = $2)
        """

    private static func remove(_ sync: ScriptID, in scope: EnvironmentScope, _ transaction: any Transaction) throws {
        let values: [SQLValue] = [SQLValue(scope), .text(sync.integrationKey), .text(sync.name)]
        try transaction.run("delete from sync where name = $3 and connection_id in" + connectionsOf, values)
        try transaction.run(
            "delete from connection_error where kind = $4 and subject = $3 and connection_id in" + connectionsOf,
            values + [SQLValue(ConnectionError.Kind.sync)]
        )
    }

    private static func removeRecords(
        of model: ModelID,
        in scope: EnvironmentScope,
        _ transaction: any Transaction
    ) throws {
        let heads = try transaction.query("select h.id" + headsOfModel, values(of: model, scope)) { $0.integer(0) }
        for head in heads { try removeRecords(ofHead: head, in: transaction) }
    }

    /// In all variants: `Ticket` and `Ticket::eu`.
    private static let headsOfModel: SQL = """
        from head h join connection c on c.id = h.connection_id join integration i on i.id = c.integration_id
        where i.environment_id = $1 and i.key = $2
            and (h.model = $3 or substr(h.model, 1, length($3) + 2) = $3 || '::')
        """

    private static func values(of model: ModelID, _ scope: EnvironmentScope) -> [SQLValue] {
        [SQLValue(scope), .text(model.integrationKey), .text(model.model)]
    }
}
