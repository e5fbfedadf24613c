import TerapiCore

/// Reads the changes of a model page by page, each once.
struct RecordFeed {
    private static let pageSize = 1_000

    private let client: RemoteClient
    private let headers: [(name: String, value: String)]
    private let query: [(name: String, value: String?)]
    /// The place behind the last record.
    private(set) var cursor: String?
    /// Whether nothing was behind the last page when it was read.
    private(set) var isAtEnd = false

    /// - Parameter query: further items of `GET /records`.
    init(
        client: RemoteClient,
        connection: ConnectionOptions,
        model: String,
        cursor: String? = nil,
        query: [(name: String, value: String?)] = []
    ) {
        self.client = client
        headers = connection.headers
        self.query = [("model", model)] + query
        self.cursor = cursor
    }

    /// - Parameter limit: how many at most.
    mutating func next(limit: Int = .max) async throws -> [JSONValue] {
        let place = [("limit", String(min(limit, Self.pageSize))), ("cursor", cursor)]
        let answer = try await client.send("GET", "/records", query: query + place, headers: headers)
        let records = answer["records"]?.array ?? []
        let nextCursor = answer["next_cursor"]?.string
        cursor = nextCursor ?? records.last?["_terapi_metadata"]?["cursor"]?.string ?? cursor
        isAtEnd = nextCursor == nil
        return records
    }
}
