public import TerapiCore

// The values that the team gives to the scripts of an environment. Each is sealed to its name.

extension SQLStorage {
    public func variables(in scope: EnvironmentScope) async throws -> [EnvironmentVariable] {
        try await database.read { [box] snapshot in
            try snapshot.query(
                "select name, value from environment_variable where environment_id = $1 order by name",
                [SQLValue(scope)]
            ) { row in
                let name = row.text(0)
                let value = try box.open(row.bytes(1), for: .variable(name, scope))
                return EnvironmentVariable(name: name, value: Secret(String(decoding: value, as: UTF8.self)))
            }
        }
    }

    public func changeVariables(
        setting variables: [EnvironmentVariable],
        removing names: [String],
        in scope: EnvironmentScope
    ) async throws {
        let sealed = try variables.map { variable in
            let value = Array(variable.value.reveal().utf8)
            return (name: variable.name, value: try box.seal(value, for: .variable(variable.name, scope)))
        }
        try await database.write { transaction in
            for name in names {
                try transaction.run(
                    "delete from environment_variable where environment_id = $1 and name = $2",
                    [SQLValue(scope), .text(name)]
                )
            }
            for (name, value) in sealed {
                try transaction.run(
                    """
                    insert into environment_variable (environment_id, name, value) values ($1, $2, $3)
                    on conflict (environment_id, name) do update set value = excluded.value
                    """,
                    [SQLValue(scope), .text(name), .blob(value)]
                )
            }
        }
    }
}

extension SecretBox.Place {
    fileprivate static func variable(_ name: String, _ scope: EnvironmentScope) -> SecretBox.Place {
        SecretBox.Place(
            table: "environment_variable",
            column: "value",
            environmentID: scope.environmentID,
            row: name
        )
    }
}
