import Synchronization
public import TerapiCore

/// The storage behind every port but the logs: statements written once, over whichever database.
///
/// Each method is one transaction. Secrets and payloads are sealed on their way in, bound to the row they belong to.
public final class SQLStorage: Sendable {
    let database: any Database
    let box: SecretBox
    let clock: any WallClock

    /// Signs the customers' cursors. Random at the first start, kept sealed, and not changed by a rotation of the
    /// encryption key: cursors that customers have stored stay good.
    let cursorMAC: KeyedHash

    private let changeHashes = Mutex<[Int64: KeyedHash]>([:])

    /// Brings the database to this version's schema and reads the installation's keys.
    /// - Throws: `storage_unavailable` when a newer version has written the data, `server_error` when `box` has not the
    ///   key that sealed it.
    public init(_ database: any Database, box: SecretBox, clock: any WallClock) async throws {
        try await Migrator.main.run(on: database, now: clock.now)
        self.database = database
        self.box = box
        self.clock = clock
        cursorMAC = KeyedHash(key: try await Self.installationKey("cursor", in: database, box: box))
    }

    /// Waits for what is running and closes the database.
    public func close() async {
        await database.close()
    }

    /// Detects changes of an environment's records. Keyed, or small sealed records could be guessed by their hash.
    func changeHash(environmentID: Int64) async throws -> KeyedHash {
        if let known = changeHashes.withLock({ $0[environmentID] }) { return known }
        let sealed = try await database.read { snapshot in
            try snapshot.first("select change_key from environment where id = $1", [.integer(environmentID)]) {
                $0.bytes(0)
            }
        }
        guard let sealed else { throw TerapiError(.notFound, "There is no such environment.") }
        let hash = KeyedHash(key: try box.open(sealed, for: .changeKey(environmentID: environmentID)))
        changeHashes.withLock { $0[environmentID] = hash }
        return hash
    }

    private static func installationKey(
        _ name: String,
        in database: any Database,
        box: SecretBox
    ) async throws -> [UInt8] {
        let place = SecretBox.Place(table: "installation_key", column: "sealed", environmentID: 0, row: name)
        let fresh = try box.seal(randomBytes(32), for: place)
        let sealed = try await database.write { transaction in
            try transaction.run(
                "insert into installation_key (name, sealed) values ($1, $2) on conflict (name) do nothing",
                [.text(name), .blob(fresh)]
            )
            return try transaction.first("select sealed from installation_key where name = $1", [.text(name)]) {
                $0.bytes(0)
            }
        }
        return try box.open(sealed ?? fresh, for: place)
    }
}

extension SecretBox.Place {
    static func changeKey(environmentID: Int64) -> SecretBox.Place {
        SecretBox.Place(table: "environment", column: "change_key", environmentID: environmentID, row: "")
    }
}
