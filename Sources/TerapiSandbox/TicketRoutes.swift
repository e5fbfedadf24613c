import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle
import TerapiCore

/// The API that a sync reads: `/api/tickets` in pages, `/api/tickets/{id}`, `/api/me`.
struct TicketRoutes: Sendable {
    let store: TicketStore
    let server: AuthorizationServer
    let statistics: SandboxStatistics
    let faults: SandboxFaults
    let clock: any WallClock

    func add(to router: Router<BasicRequestContext>) {
        router.get("api/me") { request, _ in
            try authorize(request)
            return Response.json(["id": 1, "name": "Sandy Box", "email": "sandy@sandbox.example"])
        }
        router.get("api/tickets", use: list)
        router.get("api/tickets/:id") { request, context in
            try authorize(request)
            guard let ticket = store.ticket(try context.parameters.require("id", as: Int.self)) else {
                throw HTTPError(.notFound, message: "There is no such ticket.")
            }
            return Response(
                status: .ok,
                headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: ticket))
            )
        }
    }

    @Sendable private func list(request: Request, context: BasicRequestContext) throws -> Response {
        let fields = request.queryFields
        let fault = faults.take(forTokens: false)
        if let fault, let answer = answerInsteadOfPage(fault) {
            statistics.count(.fault)
            return answer
        }
        try authorize(request)
        statistics.countPage(fields["cursor"] ?? fields["page"] ?? "")

        let query = try Self.query(fields)
        var page = store.page(query)
        guard let fault else { return answer(page, query, fields, request) }

        statistics.count(.fault)
        switch fault.fault {
        case .missingID:
            if !page.tickets.isEmpty { page.tickets[page.tickets.count / 2] = Array(#"{"subject":"no id"}"#.utf8) }
            return answer(page, query, fields, request)
        case .repeatedCursor:
            // The place before the first ticket leads to this very page again.
            page.next = query.after ?? TicketStore.Place(updatedAt: Timestamp(microseconds: 0), id: 0)
            return answer(page, query, fields, request)
        case .cut:
            return .cut(Self.body(page, next: nil))
        case .endlessPage:
            return Self.endless(page)
        default:
            return answer(page, query, fields, request)
        }
    }

    private func answerInsteadOfPage(_ order: SandboxFaults.Order) -> Response? {
        switch order.fault {
        case .rateLimit:
            var response = Response.error("rate_limited", "Too many requests.", status: .tooManyRequests)
            if let seconds = order.retryAfterSeconds { response.headers[.retryAfter] = String(seconds) }
            return response
        case .serverError:
            return .error("server_error", "Something broke.", status: .internalServerError)
        case .html:
            return .html("<!doctype html><title>Maintenance</title><h1>We will be back soon</h1>")
        case .invalidJSON:
            return Response(
                status: .ok,
                headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: #"{"tickets":[{"id":1,"subject":"cut"#))
            )
        case .emptyList:
            return .json(["tickets": [], "next": .null])
        case .unauthorized:
            return .error("invalid_token", "The access token is expired.", status: .unauthorized)
        default:
            return nil
        }
    }

    private func authorize(_ request: Request) throws {
        let header = request.headers[.authorization] ?? ""
        guard header.hasPrefix("Bearer "),
            server.accepts(accessToken: String(header.dropFirst("Bearer ".count)), at: clock.now)
        else {
            statistics.count(.unauthorized)
            throw HTTPError(
                .unauthorized,
                headers: [.wwwAuthenticate: #"Bearer error="invalid_token""#],
                message: "The access token is missing, unknown or expired."
            )
        }
    }

    private func answer(
        _ page: TicketStore.Page,
        _ query: TicketStore.Query,
        _ fields: [String: String],
        _ request: Request
    ) -> Response {
        let next = page.next.map { place in
            // Who pages by number goes on by number; everyone else gets a cursor.
            let place = fields["page"] == nil ? ("cursor", Self.text(place)) : ("page", String(query.page + 1))
            var parameters = fields
            parameters[place.0] = place.1
            let text = parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\(PercentEncoding.encode($0.value))" }
            return "http://\(request.head.authority ?? "localhost")/api/tickets?" + text.joined(separator: "&")
        }
        var response = Response(
            status: .ok,
            headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: Self.body(page, next: next))
        )
        if let next, let link = HTTPField.Name("Link") { response.headers[link] = "<\(next)>; rel=\"next\"" }
        return response
    }

    private static func query(_ fields: [String: String]) throws -> TicketStore.Query {
        var query = TicketStore.Query()
        if let text = fields["updated_since"], !text.isEmpty {
            guard let since = Timestamp(iso8601: text) else {
                throw HTTPError(.badRequest, message: "updated_since must be an ISO 8601 time.")
            }
            query.updatedSince = since
        }
        if let text = fields["cursor"], !text.isEmpty {
            guard let after = place(text) else { throw HTTPError(.badRequest, message: "cursor is not one of ours.") }
            query.after = after
        }
        query.page = try number(fields["page"], name: "page", in: 1...1_000_000) ?? 1
        query.perPage = try number(fields["per_page"], name: "per_page", in: 1...1000) ?? 100
        query.includesDeleted = ["true", "1"].contains(fields["include_deleted"])
        return query
    }

    private static func number(_ text: String?, name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let text else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw HTTPError(
                .badRequest,
                message: "\(name) must be a number from \(range.lowerBound) to \(range.upperBound)."
            )
        }
        return number
    }

    private static func text(_ place: TicketStore.Place) -> String {
        "\(place.updatedAt.microseconds)-\(place.id)"
    }

    private static func place(_ text: String) -> TicketStore.Place? {
        let parts = text.split(separator: "-")
        guard parts.count == 2, let moment = Int64(parts[0]), let id = Int(parts[1]) else { return nil }
        return TicketStore.Place(updatedAt: Timestamp(microseconds: moment), id: id)
    }

    private static func body(_ page: TicketStore.Page, next: String?) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(page.tickets.reduce(200) { $0 + $1.count + 1 })
        write(page.tickets, to: &buffer)
        buffer.writeString("],\"next\":")
        buffer.writeBytes(JSONValue(next).encoded())
        buffer.writeString("}")
        return buffer
    }

    private static func write(_ tickets: [[UInt8]], to buffer: inout ByteBuffer) {
        buffer.writeString("{\"tickets\":[")
        for (index, ticket) in tickets.enumerated() {
            if index > 0 { buffer.writeInteger(UInt8(ascii: ",")) }
            buffer.writeBytes(ticket)
        }
    }

    /// The page's tickets again and again until the reader has had enough.
    static func endless(_ page: TicketStore.Page) -> Response {
        let opening = "{\"tickets\":[".utf8.count
        var head = ByteBuffer()
        write(page.tickets, to: &head)
        var more = ByteBuffer(string: ",")
        more.writeImmutableBuffer(head.getSlice(at: opening, length: head.writerIndex - opening) ?? ByteBuffer())
        return Response(
            status: .ok,
            headers: [.contentType: "application/json"],
            body: ResponseBody { [head, more] writer in
                try await writer.write(head)
                while !Task.isCancelled && !Task.isShuttingDownGracefully {
                    try await writer.write(more)
                }
                throw ConnectionCut()
            }
        )
    }
}
