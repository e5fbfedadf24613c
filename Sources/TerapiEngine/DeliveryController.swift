public import TerapiCore

/// Sends webhook events once more on a person's request.
public struct DeliveryController: DeliveryControl {
    /// Events of one transaction: others write in between.
    static let batchSize = 500

    let services: EngineServices

    @discardableResult
    public func replay(_ selection: ReplaySelection, in scope: EnvironmentScope) async throws -> ReplayOutcome {
        let urls = try await services.settings.environment(scope).settings.webhookURLs
        var outcome = ReplayOutcome()
        var place: ReplayPlace?
        repeat {
            let (step, next) = try await services.deliveries.replay(
                selection,
                urls: urls,
                after: place,
                limit: Self.batchSize,
                in: scope,
                now: services.clock.now
            )
            outcome.events += step.events
            outcome.deliveries += step.deliveries
            if case .events = selection { place = nil } else { place = next }
            // The first ones go out while the others are found.
            services.webhookWakeUp.ring()
        } while place != nil
        note(selection, outcome, scope)
        return outcome
    }

    private func note(_ selection: ReplaySelection, _ outcome: ReplayOutcome, _ scope: EnvironmentScope) {
        let message =
            switch selection {
            case .events(let ids): ids.joined(separator: ", ")
            case .range(let from, let until, let undelivered):
                "\(undelivered ? "What had not arrived" : "Everything") from \(from.iso8601) to \(until.iso8601)"
            }
        let log = OperationLog(
            LogOperation(scope: scope, kind: .webhookReplay, message: message, createdAt: services.clock.now),
            sink: services.log,
            clock: services.clock
        )
        log.end(.success, "\(outcome.events) events were sent again, in \(outcome.deliveries) deliveries.")
    }
}
