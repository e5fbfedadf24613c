import Hummingbird
import TerapiCore

/// `/sandbox/…`: how a person or a test moves the sandbox. No authorization: it listens on loopback only.
struct ControlRoutes: Sendable {
    let store: TicketStore
    let server: AuthorizationServer
    let statistics: SandboxStatistics
    let faults: SandboxFaults
    let clock: any WallClock

    func add(to router: Router<BasicRequestContext>) {
        let group = router.group("sandbox")
        group.get("stats") { _, _ in
            let count = store.count
            return Response.json(
                ["tickets": JSONValue(count.alive), "deleted": JSONValue(count.deleted), "seen": statistics.json]
            )
        }
        group.delete("stats") { _, _ in
            statistics.reset()
            return Response.json(["success": true])
        }
        group.post("faults") { request, _ in
            let order: SandboxFaults.Order
            do {
                order = try SandboxFaults.Order(json: try await request.jsonBody())
            } catch let error as TerapiError {
                throw HTTPError(.badRequest, message: error.message)
            }
            faults.add(order)
            return Response.json(["success": true])
        }
        group.delete("faults") { _, _ in
            faults.clear()
            return Response.json(["success": true])
        }
        group.post("expire-tokens") { _, _ in
            server.expireAccessTokens()
            return Response.json(["success": true])
        }
        group.post("change", use: change)
        group.post("tickets") { request, _ in
            let id = store.create(try await request.jsonBody().object ?? [:], at: clock.now)
            return Response.json(["id": JSONValue(id)], status: .created)
        }
        group.post("tickets/:id") { request, context in
            let id = try context.parameters.require("id", as: Int.self)
            let found = store.update(id, try await request.jsonBody().object ?? [:], at: clock.now)
            return try Self.answer(id, found)
        }
        group.delete("tickets/:id") { _, context in
            let id = try context.parameters.require("id", as: Int.self)
            return try Self.answer(id, store.delete(id, at: clock.now))
        }
    }

    /// Changes several tickets at once: `{"create": 1, "update": 2, "delete": 1}` takes those that were not touched for
    /// the longest time, and answers their ids.
    @Sendable private func change(request: Request, context: BasicRequestContext) async throws -> Response {
        let body = try await request.jsonBody()
        let wanted = ["create", "update", "delete"].map { min(max(body[$0]?.int ?? 0, 0), 100_000) }
        let created = (0..<wanted[0]).map { _ in store.create([:], at: clock.now) }
        let touched = store.oldest(wanted[1] + wanted[2])
        let updated = touched.prefix(wanted[1]).filter { store.update($0, [:], at: clock.now) }
        let deleted = touched.dropFirst(wanted[1]).filter { store.delete($0, at: clock.now) }
        func list(_ ids: [Int]) -> JSONValue { .array(ids.map { JSONValue($0) }) }
        return .json(["created": list(created), "updated": list(Array(updated)), "deleted": list(Array(deleted))])
    }

    private static func answer(_ id: Int, _ found: Bool) throws -> Response {
        guard found else { throw HTTPError(.notFound, message: "There is no ticket \(id).") }
        return .json(["id": JSONValue(id)])
    }
}
