import TerapiCore

/// What a change comes to when it meets the stored records. Made before the transaction, because hashing and sealing
/// take longer than writing.
struct RecordPlan: Sendable {
    /// A record that takes a new position.
    struct Write: Sendable {
        var externalID: String
        var action: RecordAction
        /// The row, and the position at which it was seen; `nil` for a record that is new.
        var known: (rowID: Int64, position: Int64)?
        var hash: [UInt8] = []
        var canonicalHash: [UInt8]?
        /// `nil` keeps what is stored.
        var sealed: [UInt8]?
    }

    /// A record whose bytes changed and whose meaning did not: it stays where it is.
    struct Rehash: Sendable {
        var rowID: Int64
        var position: Int64
        var hash: [UInt8]
        var canonicalHash: [UInt8]
    }

    var writes: [Write] = []
    var rehashes: [Rehash] = []
    /// Rows that came again and need nothing.
    var seen: [Int64] = []
    var unchanged = 0
    /// The stream's position in the snapshot that the plan was made from.
    var headPosition: Int64 = 0
}

/// Thrown inside a transaction when a record has changed since the plan was made: plan again, inside.
struct RecordConflict: Error {}

/// Works out what one change of records comes to.
struct RecordPlanner: Sendable {
    /// A stored record, as far as the plan needs it.
    struct Known: Sendable {
        var rowID: Int64
        var position: Int64
        var isDeleted: Bool
        var hasSameHash: Bool
        var canonicalHash: [UInt8]?
        /// Sealed; read only where the comparison needs it.
        var payload: [UInt8]?
    }

    let change: RecordChange
    var ids: Set<String> { Set(change.ids) }
    private let hasher: KeyedHash
    private let box: SecretBox
    private let place: SecretBox.Place

    /// The last index of each id.
    private let indexes: [Int]
    /// Of the documents as they came, at the same place as in `indexes`.
    private let hashes: [[UInt8]]

    init(_ change: RecordChange, scope: EnvironmentScope, hasher: KeyedHash, box: SecretBox) {
        self.change = change
        self.hasher = hasher
        self.box = box
        place = .payload(of: change.stream, in: scope)
        indexes = Self.lastIndexes(of: change.ids)
        hashes =
            change.kind == .save
            ? indexes.map { index in change.documents[index].withUnsafeBytes { hasher.hash($0) } }
            : []
    }

    private static func lastIndexes(of ids: [String]) -> [Int] {
        var last = [String: Int](minimumCapacity: ids.count)
        for (index, id) in ids.enumerated() { last[id] = index }
        return last.count == ids.count ? Array(ids.indices) : ids.indices.filter { last[ids[$0]] == $0 }
    }

    // MARK: Looking up

    private static let selectKnown: SQL = """
        select id, position, last_action, hash, canonical_hash from record where head_id = $1 and external_id = $2
        """

    /// What is stored under the ids, at the same place as in `indexes`.
    func known(headID: Int64?, in snapshot: any Snapshot) throws -> [Known?] {
        var known = [Known?](repeating: nil, count: indexes.count)
        guard let headID else { return known }
        var wanted: [Int] = []
        try snapshot.forEach(
            Self.selectKnown,
            count: indexes.count,
            bind: { place, parameters in
                parameters.bind(headID, at: 1)
                parameters.bind(change.ids[indexes[place]], at: 2)
            },
            { place, row in
                var found = Known(
                    rowID: row.integer(0),
                    position: row.integer(1),
                    isDeleted: row.integer(2) == RecordAction.deleted.number,
                    hasSameHash: false
                )
                switch change.kind {
                case .save:
                    found.hasSameHash = row.withBytes(3) { bytes in bytes.elementsEqual(hashes[place]) }
                    if !found.hasSameHash, !found.isDeleted {
                        found.canonicalHash = row.bytesIfPresent(4)
                        if found.canonicalHash == nil { wanted.append(place) }
                    }
                case .update:
                    if !found.isDeleted { wanted.append(place) }
                case .delete:
                    break
                }
                known[place] = found
            }
        )
        try snapshot.forEach(
            "select payload from record where id = $1",
            count: wanted.count,
            bind: { index, parameters in parameters.bind(known[wanted[index]]?.rowID ?? 0, at: 1) },
            { index, row in known[wanted[index]]?.payload = row.bytesIfPresent(0) }
        )
        return known
    }

    // MARK: Deciding

    func plan(_ known: [Known?]) throws -> RecordPlan {
        var plan = RecordPlan()
        plan.seen.reserveCapacity(indexes.count)
        for place in indexes.indices {
            if let mark = change.mark, let known = known[place], mark.isOthers(known.position) {
                plan.unchanged += 1
                plan.seen.append(known.rowID)
                continue
            }
            switch change.kind {
            case .save: try planSave(place, known[place], &plan)
            case .update: try planMerge(place, known[place], &plan)
            case .delete: planDelete(place, known[place], &plan)
            }
        }
        return plan
    }

    private func planSave(_ place: Int, _ known: Known?, _ plan: inout RecordPlan) throws {
        let index = indexes[place]
        let document = change.documents[index]
        guard let known else {
            plan.writes.append(
                .init(
                    externalID: change.ids[index],
                    action: .added,
                    hash: hashes[place],
                    sealed: try seal(document, id: change.ids[index])
                )
            )
            return
        }
        var canonical: [UInt8]?
        if !known.isDeleted {
            if known.hasSameHash {
                plan.unchanged += 1
                plan.seen.append(known.rowID)
                return
            }
            let fresh = hasher.hash(try canonicalForm(of: document, id: change.ids[index]))
            if try fresh == storedCanonicalHash(of: known, id: change.ids[index]) {
                plan.unchanged += 1
                plan.seen.append(known.rowID)
                // From now on these bytes are known too, and the next comparison is a cheap one.
                plan.rehashes.append(
                    .init(rowID: known.rowID, position: known.position, hash: hashes[place], canonicalHash: fresh)
                )
                return
            }
            canonical = fresh
        }
        plan.writes.append(
            .init(
                externalID: change.ids[index],
                // A record that comes back was added again, whatever it was before.
                action: known.isDeleted ? .added : .updated,
                known: (known.rowID, known.position),
                hash: hashes[place],
                canonicalHash: canonical,
                sealed: try seal(document, id: change.ids[index])
            )
        )
    }

    private func planMerge(_ place: Int, _ known: Known?, _ plan: inout RecordPlan) throws {
        let index = indexes[place]
        let id = change.ids[index]
        // Only what exists can be merged into.
        guard let known, !known.isDeleted else { return }
        let payload = try known.payload.map { try box.open($0, for: sealPlace(of: id)) }
        let stored = try payload.map { try parsed($0, id: id) } ?? .object([:])
        let merged = try merging(stored, parsed(change.documents[index], id: id))
        let canonical = merged.encoded(sortedKeys: true)
        if canonical == stored.encoded(sortedKeys: true) {
            plan.unchanged += 1
            plan.seen.append(known.rowID)
            return
        }
        let document = merged.encoded()
        plan.writes.append(
            .init(
                externalID: id,
                action: .updated,
                known: (known.rowID, known.position),
                hash: hasher.hash(document),
                canonicalHash: hasher.hash(canonical),
                sealed: try seal(document[...], id: id)
            )
        )
    }

    private func planDelete(_ place: Int, _ known: Known?, _ plan: inout RecordPlan) {
        // What was never seen, or is deleted already, needs no mark.
        guard let known, !known.isDeleted else { return }
        plan.writes.append(
            .init(externalID: change.ids[indexes[place]], action: .deleted, known: (known.rowID, known.position))
        )
    }

    /// `nil` for a record whose payload is gone: nothing can be equal to it.
    private func storedCanonicalHash(of known: Known, id: String) throws -> [UInt8]? {
        if let stored = known.canonicalHash { return stored }
        guard let payload = known.payload else { return nil }
        return hasher.hash(try canonicalForm(of: try box.open(payload, for: sealPlace(of: id)), id: id))
    }

    private func canonicalForm(of document: some Collection<UInt8>, id: String) throws -> [UInt8] {
        try parsed(document, id: id).encoded(sortedKeys: true)
    }

    private func parsed(_ document: some Collection<UInt8>, id: String) throws -> JSONValue {
        do {
            return try JSONReader.read(document)
        } catch {
            throw TerapiError(.invalidSyncRecord, "The record \"\(id)\" is not valid JSON: \(error).")
        }
    }

    private func seal(_ document: ArraySlice<UInt8>, id: String) throws -> [UInt8] {
        try box.seal(document, for: sealPlace(of: id))
    }

    private func sealPlace(of id: String) -> SecretBox.Place {
        place.appending(id)
    }
}

/// Objects are merged member by member at every depth; anything else is replaced.
private func merging(_ stored: JSONValue, _ patch: JSONValue) -> JSONValue {
    guard case .object(var merged) = stored, case .object(let changes) = patch else { return patch }
    for (name, value) in changes.members { merged[name] = merged[name].map { merging($0, value) } ?? value }
    return .object(merged)
}

extension SecretBox.Place {
    /// The place of a stream's payloads, to which the record's id is appended.
    static func payload(of stream: RecordStream, in scope: EnvironmentScope) -> SecretBox.Place {
        SecretBox.Place(
            table: "record",
            column: "payload",
            environmentID: scope.environmentID,
            row: "\(stream.connectionID)\u{0}\(stream.model)\u{0}"
        )
    }
}

extension RecordAction {
    /// As it stands in `record.last_action`.
    var number: Int64 {
        switch self {
        case .added: 0
        case .updated: 1
        case .deleted: 2
        }
    }
}
