import HTTPTypes
import Logging
import ServiceLifecycle
import Synchronization
import TerapiCore
import Testing

@testable import TerapiAPI

@Suite(.timeLimit(.minutes(1)))
struct ReadinessTests {
    @Test func `is ready when the database can be read`() async throws {
        let answer = try await World().send(.get, "/ready")

        #expect(answer.status == 200)
    }

    @Test func `is not ready when the database cannot be read, and says so`() async throws {
        let world = World()
        world.storage.state.withLock { $0.readFailure = TerapiError(.storageUnavailable, "disk-canary") }

        let answer = try await world.send(.get, "/ready")
        let health = try await world.send(.get, "/health")

        #expect(answer.status == 503)
        #expect(answer.headers[.retryAfter] == "1")
        #expect(answer.json?["error"]?["message"] == "The database cannot be read.")
        #expect(!answer.body.contains("canary"))
        #expect(health.status == 200)
    }

    @Test func `is not ready once the server is about to stop, while others still work`() async throws {
        let world = World()
        let (reports, continuation) = AsyncStream.makeStream(of: Answer.self)
        // Told last, as the services of the server are: it looks while the readiness has been told already.
        let worker = Worker { continuation.yield(try await world.send(.get, "/ready")) }
        let services: [any Service] = [worker, world.api.readiness]
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map { service in
                    ServiceGroupConfiguration.ServiceConfiguration(
                        service: service,
                        successTerminationBehavior: .ignore
                    )
                },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
        )
        async let running: Void = group.run()
        let before = try await world.send(.get, "/ready")
        await group.triggerGracefulShutdown()
        var after: Answer?
        for await answer in reports {
            after = answer
            break
        }
        try await running

        #expect(before.status == 200)
        #expect(after?.status == 503)
        #expect(after?.json?["error"]?["message"] == "The server is about to stop.")
    }
}

private struct Worker: Service {
    let atShutdown: @Sendable () async throws -> Void

    init(_ atShutdown: @escaping @Sendable () async throws -> Void) {
        self.atShutdown = atShutdown
    }

    func run() async throws {
        try? await gracefulShutdown()
        try await atShutdown()
    }
}
