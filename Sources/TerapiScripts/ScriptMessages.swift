import TerapiCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What stands in the frames between server and host. What a host sent is read as from a stranger.
enum ScriptMessages {
    struct Malformed: Error {}

    static func request(_ body: [UInt8]) throws -> ScriptRequest {
        let (head, rest) = try firstLine(body)
        let json = try Self.json(head)
        guard let method = json["method"]?.string, let endpoint = json["endpoint"]?.string else { throw Malformed() }
        return ScriptRequest(
            method: method,
            endpoint: endpoint,
            baseURLOverride: json["baseUrl"]?.string,
            query: try pairs(json["query"]),
            headers: try pairs(json["headers"]),
            body: json["hasBody"]?.bool == true ? Array(rest) : nil,
            retries: json["retries"]?.int ?? 0,
            retryOn: (json["retryOn"]?.array ?? []).compactMap(\.int),
            retryHeaders: (json["retryHeaders"]?.array ?? []).compactMap { $0.string?.lowercased() },
            isAuthorized: json["isAuthorized"]?.bool ?? false
        )
    }

    static func change(_ body: [UInt8]) throws -> ScriptRecordChange {
        let (head, lines) = try firstLine(body)
        let json = try Self.json(head)
        guard let kind = json["kind"]?.string.flatMap(ScriptRecordChange.Kind.init(rawValue:)),
            let model = json["model"]?.string, let count = json["count"]?.int, count >= 0, count <= lines.count
        else { throw Malformed() }
        var change = ScriptRecordChange(kind: kind, model: model, ids: [], documents: [])
        change.checkpoint = json["checkpoint"]
        change.ids.reserveCapacity(count)
        change.documents.reserveCapacity(count)
        var rest = lines
        for _ in 0..<count {
            let id = try takeLine(&rest)
            change.ids.append(
                id.first == UInt8(ascii: "\"") ? try Self.json(id).string ?? "" : String(decoding: id, as: UTF8.self)
            )
            change.documents.append(try takeLine(&rest))
        }
        guard rest.isEmpty else { throw Malformed() }
        return change
    }

    static func call(_ body: [UInt8]) throws -> (name: String, arguments: [JSONValue]) {
        let (name, arguments) = try firstLine(body)
        guard let arguments = try json(arguments).array else { throw Malformed() }
        return (String(decoding: name, as: UTF8.self), arguments)
    }

    /// Status and headers, as the line before the body. A header that came more than once is joined by commas; cookies,
    /// which may hold commas themselves, are always a list.
    static func head(of response: ScriptResponse) -> [UInt8] {
        var headers: [(String, JSONValue)] = []
        var places: [String: Int] = [:]
        let cookies = response.headers.filter { $0.name == "set-cookie" }.map { JSONValue.string($0.value) }
        if !cookies.isEmpty { headers.append(("set-cookie", .array(cookies))) }
        for (name, value) in response.headers where name != "set-cookie" {
            if let place = places[name] {
                headers[place].1 = .string("\(headers[place].1.string ?? ""), \(value)")
            } else {
                places[name] = headers.count
                headers.append((name, .string(value)))
            }
        }
        let head: JSONValue = ["status": JSONValue(response.status), "headers": .object(JSONObject(headers))]
        return head.encoded() + [UInt8(ascii: "\n")]
    }

    /// What a script may know of an error that its call threw.
    static func failure(_ error: any Error) -> [UInt8] {
        guard let error = error as? TerapiError else {
            return JSONValue.object(["code": "server_error", "message": "The call failed inside the server."]).encoded()
        }
        var json: JSONObject = ["code": .string(error.code.rawValue), "message": .string(error.message)]
        json["payload"] = error.payload
        return JSONValue.object(json).encoded()
    }

    static func json(_ bytes: ArraySlice<UInt8>) throws -> JSONValue {
        do {
            return try JSONReader.read(bytes)
        } catch {
            throw Malformed()
        }
    }

    private static func pairs(_ value: JSONValue?) throws -> [(name: String, value: String)] {
        try (value?.array ?? []).map { pair in
            guard let pair = pair.array, pair.count == 2, let name = pair[0].string, let value = pair[1].string else {
                throw Malformed()
            }
            return (name, value)
        }
    }

    private static func firstLine(_ body: [UInt8]) throws -> (ArraySlice<UInt8>, ArraySlice<UInt8>) {
        var rest = body[...]
        let line = try takeLine(&rest)
        return (line, rest)
    }

    /// A slice of the same buffer; the newline is taken too.
    private static func takeLine(_ rest: inout ArraySlice<UInt8>) throws -> ArraySlice<UInt8> {
        let length = rest.withUnsafeBytes { bytes -> Int? in
            guard let start = bytes.baseAddress, let end = memchr(start, 0x0A, bytes.count) else { return nil }
            return UnsafeRawPointer(end) - start
        }
        guard let length else { throw Malformed() }
        defer { rest = rest[(rest.startIndex + length + 1)...] }
        return rest[rest.startIndex..<rest.startIndex + length]
    }
}
