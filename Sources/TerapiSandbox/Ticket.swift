import TerapiCore

/// One ticket of the sandbox, rendered once per change: a page only copies bytes.
struct Ticket {
    var id: Int
    var updatedAt: Timestamp
    var isDeleted: Bool

    /// How often it was changed.
    var revision: Int
    var createdAt: Timestamp
    private(set) var bytes: [UInt8] = []

    init(id: Int, createdAt: Timestamp) {
        self.id = id
        self.createdAt = createdAt
        updatedAt = createdAt
        isDeleted = false
        revision = 0
        bytes = render(overrides: JSONObject())
    }

    /// - Parameter overrides: members that get these values; the others go back to what the number says.
    mutating func update(_ overrides: JSONObject, at moment: Timestamp) {
        revision += 1
        updatedAt = moment
        bytes = render(overrides: overrides)
    }

    mutating func delete(at moment: Timestamp) {
        isDeleted = true
        updatedAt = moment
        let tombstone: JSONValue = ["id": JSONValue(id), "deleted": true, "updated_at": JSONValue(moment)]
        bytes = tombstone.encoded()
    }

    private func render(overrides: JSONObject) -> [UInt8] {
        let text = TicketText(number: id)
        let members: JSONObject = [
            "id": JSONValue(id),
            "url": "https://sandbox.example/tickets/\(String(id))",
            "subject": JSONValue(revision == 0 ? text.subject : "\(text.subject) (update \(revision))"),
            "description": JSONValue(text.description),
            "status": JSONValue(text.status),
            "priority": JSONValue(text.priority),
            "channel": JSONValue(text.channel),
            "requester": [
                "id": JSONValue(text.requesterID),
                "name": JSONValue(text.requesterName),
                "email": JSONValue(text.requesterEmail),
            ],
            "assignee": text.assigneeName.map { ["name": JSONValue($0)] } ?? .null,
            "tags": JSONValue(text.tags),
            "comment_count": JSONValue(text.commentCount + revision),
            "deleted": false,
            "created_at": JSONValue(createdAt),
            "updated_at": JSONValue(updatedAt),
        ]
        var document = members.merging(overrides)
        // What the list is sorted by stays ours.
        document["id"] = JSONValue(id)
        document["updated_at"] = JSONValue(updatedAt)
        return JSONValue.object(document).encoded()
    }
}
