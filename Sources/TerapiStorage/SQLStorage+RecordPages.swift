public import TerapiCore

// Reading records: by a customer, a page of bytes that is never decoded; and by a script, documents.

extension SQLStorage {
    public func page(_ query: RecordQuery) async throws -> RecordPage {
        let box = box
        let mac = cursorMAC
        return try await database.read { snapshot in
            try RecordPageReader(query, box: box, cursorMAC: mac, snapshot: snapshot).read()
        }
    }

    public func documents(
        ids: [String],
        in stream: RecordStream,
        scope: EnvironmentScope
    ) async throws -> [(id: String, document: [UInt8])] {
        let place = SecretBox.Place.payload(of: stream, in: scope)
        return try await database.read { [box] snapshot in
            guard let headID = try Self.headID(of: stream, in: snapshot) else { return [] }
            var documents: [(id: String, document: [UInt8])] = []
            try snapshot.forEach(
                """
                select payload from record
                where head_id = $1 and external_id = $2 and last_action < 2 and payload is not null
                """,
                count: ids.count,
                bind: { index, parameters in
                    parameters.bind(headID, at: 1)
                    parameters.bind(ids[index], at: 2)
                },
                { index, row in
                    let document = try row.withBytes(0) { try box.open(bytes: $0, for: place.appending(ids[index])) }
                    documents.append((ids[index], document))
                }
            )
            return documents
        }
    }

    public func documents(
        after id: String?,
        limit: Int,
        in stream: RecordStream,
        scope: EnvironmentScope
    ) async throws -> [(id: String, document: [UInt8])] {
        let place = SecretBox.Place.payload(of: stream, in: scope)
        return try await database.read { [box] snapshot in
            guard let headID = try Self.headID(of: stream, in: snapshot) else { return [] }
            return try snapshot.query(
                """
                select external_id, payload from record
                where head_id = $1 and external_id > $2 and last_action < 2 and payload is not null
                order by external_id limit $3
                """,
                [.integer(headID), .text(id ?? ""), SQLValue(limit)]
            ) { row in
                let id = row.text(0)
                return (id, try row.withBytes(1) { try box.open(bytes: $0, for: place.appending(id)) })
            }
        }
    }
}
