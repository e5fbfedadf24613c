import TerapiCore

/// Answers one question for records from one snapshot.
struct RecordPageReader {
    private let query: RecordQuery
    private let box: SecretBox
    private let snapshot: any Snapshot

    private let head: Head
    private let coder: ChangeCursorCoder
    private let payloadPlace: SecretBox.Place

    private struct Head {
        var connectionID: Int64
        /// `nil` when nothing was ever saved.
        var id: Int64?
        var position: Int64
        var prunedPosition: Int64
        var epoch: Int64
    }

    /// - Throws: `TerapiError(.unknownConnection)`.
    init(_ query: RecordQuery, box: SecretBox, cursorMAC: KeyedHash, snapshot: any Snapshot) throws {
        self.query = query
        self.box = box
        self.snapshot = snapshot
        // The connection's row is still unknown; the stream only lends its way to name a variant.
        let model = RecordStream(connectionID: 0, model: query.model, variant: query.variant).model
        let head = try snapshot.first(
            """
            select c.id, h.id, h.position, h.pruned_position, (select max(number) from epoch)
            from integration i join connection c on c.integration_id = i.id
            left join head h on h.connection_id = c.id and h.model = $4
            where i.environment_id = $1 and i.key = $2 and c.connection_id = $3
            """,
            [SQLValue(query.scope), .text(query.integrationKey), .text(query.connectionID), .text(model)]
        ) { row in
            Head(
                connectionID: row.integer(0),
                id: row.integerIfPresent(1),
                position: row.integerIfPresent(2) ?? 0,
                prunedPosition: row.integerIfPresent(3) ?? 0,
                epoch: row.integer(4)
            )
        }
        guard let head else {
            throw TerapiError(
                .unknownConnection,
                "There is no connection \"\(query.connectionID)\" of the integration \"\(query.integrationKey)\"."
            )
        }
        self.head = head
        coder = ChangeCursorCoder(mac: cursorMAC, connectionID: head.connectionID, model: model)
        payloadPlace = .payload(of: RecordStream(connectionID: head.connectionID, model: model), in: query.scope)
    }

    func read() throws -> RecordPage {
        let (cursorPosition, isRewound) = try startingPosition()
        guard let headID = head.id else { return page(from: RecordPageWriter(self), next: nil, isRewound: isRewound) }
        var start = cursorPosition
        if let moment = query.modifiedAfter { start = max(start, try lastPosition(before: moment, headID: headID)) }

        var writer = RecordPageWriter(self)
        let next: Int64?
        if !query.ids.isEmpty {
            next = try readIDs(after: start, headID: headID, into: &writer)
        } else if query.actions.isEmpty || query.actions.count == RecordAction.allCases.count {
            next = try readAll(after: start, headID: headID, into: &writer)
        } else {
            next = try readFiltered(after: start, headID: headID, into: &writer)
        }
        return page(from: writer, next: next, isRewound: isRewound)
    }

    private func page(from writer: RecordPageWriter, next: Int64?, isRewound: Bool) -> RecordPage {
        let cursor = next.map(cursor(at:))
        return RecordPage(
            json: writer.finished(nextCursor: cursor, isRewound: isRewound),
            count: writer.count,
            nextCursor: cursor
        )
    }

    fileprivate func cursor(at position: Int64) -> String {
        coder.encode(ChangeCursor(epoch: head.epoch, position: position))
    }

    fileprivate func open(_ sealed: UnsafeRawBufferPointer, id: String) throws -> [UInt8] {
        try box.open(bytes: sealed, for: payloadPlace.appending(id))
    }

    // MARK: Where to begin

    private func startingPosition() throws -> (position: Int64, isRewound: Bool) {
        guard let text = query.cursor else { return (0, false) }
        let cursor = try coder.decode(text)
        var position = cursor.position
        if cursor.epoch < head.epoch {
            // History after the floor was lost: other records have these positions now.
            position = min(position, try floor(after: cursor.epoch))
        } else if cursor.epoch > head.epoch || cursor.position > head.position {
            throw TerapiError(
                .cursorAheadOfHistory,
                "The cursor is ahead of everything that this server knows. If its data was restored from a copy, "
                    + "read again without a cursor."
            )
        }
        guard position >= head.prunedPosition else {
            throw TerapiError(
                .cursorExpired,
                "Changes after this cursor have been removed. Read again without a cursor to get the current records."
            )
        }
        return (position, cursor.epoch < head.epoch)
    }

    /// Up to where the histories of all epochs after `epoch` are the same as that epoch's.
    private func floor(after epoch: Int64) throws -> Int64 {
        guard let headID = head.id else { return 0 }
        let floors = try snapshot.query(
            """
            select coalesce(f.position, 0) from epoch e
            left join epoch_floor f on f.epoch = e.number and f.head_id = $2 where e.number > $1
            """,
            [.integer(epoch), .integer(headID)]
        ) { $0.integer(0) }
        return floors.min() ?? 0
    }

    /// The highest position whose record was modified before the moment; times grow with positions.
    private func lastPosition(before moment: Timestamp, headID: Int64) throws -> Int64 {
        var low: Int64 = 0
        var high = head.position
        // Every record up to `low` is older; every record after `high` is not.
        while low < high {
            let middle = low + (high - low) / 2
            let record = try snapshot.first(
                """
                select position, last_modified_at from record
                where head_id = $1 and position > $2 order by position limit 1
                """,
                [.integer(headID), .integer(middle)]
            ) { (position: $0.integer(0), modifiedAt: $0.timestamp(1)) }
            if let record, record.modifiedAt < moment { low = record.position } else { high = middle }
        }
        return low
    }

    // MARK: The records

    private static let columns: SQL = """
        select external_id, position, payload, first_seen_at, last_modified_at, last_action, deleted_at, pruned_at
        from record
        """

    /// - Returns: the place to go on from, or `nil` at the end.
    private func readAll(after start: Int64, headID: Int64, into writer: inout RecordPageWriter) throws -> Int64? {
        try snapshot.forEach(
            Self.columns + "where head_id = $1 and position > $2 order by position limit $3",
            // One more than asked for tells whether this is the last page.
            [.integer(headID), .integer(start), SQLValue(query.limit + 1)]
        ) { try writer.append($0) }
        return writer.hasMore ? writer.lastPosition : nil
    }

    /// Each action has its own order in the index: the next of each are found, and the first of all of them read.
    private func readFiltered(
        after start: Int64,
        headID: Int64,
        into writer: inout RecordPageWriter
    ) throws -> Int64? {
        var found: [(position: Int64, rowID: Int64)] = []
        for action in query.actions {
            try snapshot.forEach(
                """
                select position, id from record where head_id = $1 and last_action = $2 and position > $3
                order by position limit $4
                """,
                [.integer(headID), .integer(action.number), .integer(start), SQLValue(query.limit + 1)]
            ) { found.append(($0.integer(0), $0.integer(1))) }
        }
        return try read(found, into: &writer)
    }

    private func readIDs(after start: Int64, headID: Int64, into writer: inout RecordPageWriter) throws -> Int64? {
        var found: [(position: Int64, rowID: Int64)] = []
        let ids = Array(Set(query.ids))
        try snapshot.forEach(
            "select position, id, last_action from record where head_id = $1 and external_id = $2",
            count: ids.count,
            bind: { index, parameters in
                parameters.bind(headID, at: 1)
                parameters.bind(ids[index], at: 2)
            },
            { _, row in
                let isWanted = query.actions.isEmpty || query.actions.contains { $0.number == row.integer(2) }
                if isWanted, row.integer(0) > start { found.append((row.integer(0), row.integer(1))) }
            }
        )
        return try read(found, into: &writer)
    }

    private func read(
        _ found: [(position: Int64, rowID: Int64)],
        into writer: inout RecordPageWriter
    ) throws -> Int64? {
        let next = found.sorted { $0.position < $1.position }.prefix(query.limit + 1)
        try snapshot.forEach(
            Self.columns + "where id = $1",
            count: next.count,
            bind: { index, parameters in parameters.bind(next[index].rowID, at: 1) },
            { _, row in try writer.append(row) }
        )
        return writer.hasMore ? writer.lastPosition : nil
    }

    fileprivate var limit: Int { query.limit }
}

/// Writes a page: stored bytes with our metadata spliced in before the last brace.
private struct RecordPageWriter {
    private let reader: RecordPageReader
    private var json = Array(#"{"records":["#.utf8)
    private(set) var count = 0
    private(set) var lastPosition: Int64 = 0
    /// Whether a record was left over.
    private(set) var hasMore = false

    init(_ reader: RecordPageReader) {
        self.reader = reader
        json.reserveCapacity(min(reader.limit, 1_000) * 1_536)
    }

    mutating func append(_ row: any Row) throws {
        guard count < reader.limit else {
            hasMore = true
            return
        }
        let id = row.text(0)
        lastPosition = row.integer(1)
        if count > 0 { json.append(UInt8(ascii: ",")) }
        count += 1
        try appendDocument(row, id: id)
        json.append(contentsOf: Self.firstSeenAt)
        append(row.timestamp(3))
        json.append(contentsOf: Self.lastModifiedAt)
        append(row.timestamp(4))
        json.append(contentsOf: Self.lastActions[Int(row.integer(5))])
        append(row.timestampIfPresent(6))
        json.append(contentsOf: Self.prunedAt)
        append(row.timestampIfPresent(7))
        json.append(contentsOf: Self.cursor)
        json.append(contentsOf: reader.cursor(at: lastPosition).utf8)
        json.append(contentsOf: Self.end)
    }

    func finished(nextCursor: String?, isRewound: Bool) -> [UInt8] {
        var json = json
        json.append(contentsOf: #"],"next_cursor":"#.utf8)
        json.append(contentsOf: (nextCursor.map { "\"\($0)\"" } ?? "null").utf8)
        if isRewound { json.append(contentsOf: #","rewound":true"#.utf8) }
        json.append(UInt8(ascii: "}"))
        return json
    }

    /// The document without its last brace, ready for one more member.
    private mutating func appendDocument(_ row: any Row, id: String) throws {
        guard !row.isNull(2) else {
            // The payload was pruned: what is left is who it was.
            json.append(contentsOf: #"{"id":"#.utf8)
            json.append(contentsOf: JSONValue.string(id).encoded())
            json.append(UInt8(ascii: ","))
            return
        }
        let document = try row.withBytes(2) { try reader.open($0, id: id) }
        guard let brace = document.lastIndex(of: UInt8(ascii: "}")) else {
            throw TerapiError(.serverError, "A stored record is not a JSON object.")
        }
        json.append(contentsOf: document[..<brace])
        json.append(UInt8(ascii: ","))
    }

    private mutating func append(_ moment: Timestamp?) {
        guard let moment else {
            json.append(contentsOf: "null".utf8)
            return
        }
        json.append(UInt8(ascii: "\""))
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { buffer in
            moment.write(into: buffer)
            json.append(contentsOf: buffer)
        }
        json.append(UInt8(ascii: "\""))
    }

    // The text between the values, as bytes once and for all.
    private static let firstSeenAt = Array(#""_terapi_metadata":{"first_seen_at":"#.utf8)
    private static let lastModifiedAt = Array(#","last_modified_at":"#.utf8)
    /// At the index of the action's number.
    private static let lastActions = RecordAction.allCases.sorted { $0.number < $1.number }.map { action in
        Array(#","last_action":"\#(action.rawValue)","deleted_at":"#.utf8)
    }
    private static let prunedAt = Array(#","pruned_at":"#.utf8)
    private static let cursor = Array(#","cursor":""#.utf8)
    private static let end = Array(#""}}"#.utf8)
}
