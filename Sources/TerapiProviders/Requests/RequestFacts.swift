import TerapiCore

/// What templates can say about the request that they are part of. Nothing is computed that none of them asks for.
struct RequestFacts: Sendable {
    var method: String
    /// The path as the caller gave it.
    var endpoint: String
    var contentType: String?
    /// Where the request goes, its query included.
    var url: String
    /// For signatures; `nil` when the request carries nothing.
    var body: [UInt8]?

    init(_ request: ScriptRequest, url: String, body: [UInt8]?) {
        method = request.method.uppercased()
        endpoint = request.endpoint
        contentType = request.headers.first { $0.name.lowercased() == "content-type" }?.value
        self.url = ConnectionRequest.adding(request.query, to: url)
        self.body = body
    }

    /// The names that ``subscript(_:)`` knows.
    static let names: Set = [
        "bodyCanonicalParams", "contentType", "endpoint", "host", "method", "params", "path", "urlCanonicalParams",
    ]

    subscript(name: String) -> String? {
        switch name {
        case "method": method
        case "endpoint": endpoint
        case "contentType": contentType
        case "host": parsed?.hostText
        case "path": target.map { String($0.prefix { $0 != "?" }) }
        case "urlCanonicalParams": canonicalQuery
        case "bodyCanonicalParams": canonicalBody
        // What is asked for: in the body where a request has one, else in the query.
        case "params": ["POST", "PUT", "PATCH"].contains(method) ? canonicalBody : canonicalQuery
        default: nil
        }
    }

    /// Path and query as they are sent.
    var target: String? { parsed?.target }

    /// `nil` when the URL is none: then nothing is sent either.
    private var parsed: OutboundURL? { try? OutboundURL(url) }

    private var canonicalQuery: String? {
        target.map { Self.canonical(PercentEncoding.form(String($0.drop { $0 != "?" }.dropFirst()))) }
    }

    /// The fields of a form or of a JSON object in the order of their names, percent-encoded; any other body as it is.
    private var canonicalBody: String {
        let body = body ?? []
        if case .object(let object)? = try? JSONReader.read(body) {
            return Self.canonical(object.members.map { ($0.name, $0.value.string ?? $0.value.text()) })
        }
        let text = String(decoding: body, as: UTF8.self)
        let isForm = contentType?.lowercased().hasPrefix("application/x-www-form-urlencoded") ?? false
        return isForm ? Self.canonical(PercentEncoding.form(text)) : text
    }

    private static func canonical(_ parameters: [(name: String, value: String)]) -> String {
        parameters.map { (PercentEncoding.encode($0.name), PercentEncoding.encode($0.value)) }
            .sorted { $0 < $1 }
            .map { "\($0.0)=\($0.1)" }
            .joined(separator: "&")
    }
}
