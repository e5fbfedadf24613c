import Logging
import ServiceLifecycle
import Synchronization
import TerapiCore
import TerapiScripts

/// Loads the folder of integrations again when a file in it changes. With a mistake in it, what was loaded before stays.
final class IntegrationsWatcher: Service {
    private static let interval = Duration.seconds(1)
    /// Where somebody waits for it.
    private static let workInterval = Duration.milliseconds(250)
    /// Looking takes at most this part of the time.
    private static let rest = 100

    private let folder: IntegrationsFolder
    private let host: ScriptHost
    private let clock: any WallClock
    private let logger: Logger
    private let report: IntegrationsReport?
    private let replace: @Sendable (ScriptDefinitions) async throws -> Void
    private let seen: Mutex<IntegrationsFolder.Traces>

    /// - Parameters:
    ///   - seen: the folder as it was when it was loaded.
    ///   - report: is told how it went, instead of the logger.
    ///   - replace: gets all definitions of the folder.
    init(
        _ folder: IntegrationsFolder,
        seen: IntegrationsFolder.Traces,
        host: ScriptHost,
        clock: any WallClock,
        logger: Logger,
        report: IntegrationsReport? = nil,
        replace: @escaping @Sendable (ScriptDefinitions) async throws -> Void
    ) {
        self.folder = folder
        self.seen = Mutex(seen)
        self.host = host
        self.clock = clock
        self.logger = logger
        self.report = report
        self.replace = replace
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let looking = await self.runOnce()
                let interval = self.report == nil ? Self.interval : Self.workInterval
                try? await self.clock.sleep(for: max(interval, looking * Self.rest))
            }
        }
    }

    /// - Returns: how long looking for changes took.
    @discardableResult
    func runOnce() async -> Duration {
        let started = ContinuousClock.now
        let traces = folder.traces()
        let looking = ContinuousClock.now - started
        let isChanged = seen.withLock { seen in
            defer { seen = traces }
            return seen != traces
        }
        guard isChanged else { return looking }
        await load()
        return looking
    }

    private func load() async {
        if let report {
            await report.loading {
                let definitions = try await folder.load(host: host, checksExpressions: true)
                try await replace(definitions)
                return definitions
            }
            return
        }
        do {
            let definitions = try await folder.load(host: host)
            try await replace(definitions)
            logger.info("The integrations were loaded again.")
        } catch let error as TerapiError {
            logger.error("The integrations have changed and cannot be loaded; those of before stay. \(error)")
        } catch {
            logger.error("The integrations could not be replaced: \(error)")
        }
    }
}

/// Learns each time how loading the folder of integrations went: for who works on it.
struct IntegrationsReport: Sendable {
    let tell: @Sendable (Result<ScriptDefinitions, any Error>, _ took: Duration) -> Void

    /// Tells of a failure instead of passing it on.
    @discardableResult
    func loading(_ load: () async throws -> ScriptDefinitions) async -> ScriptDefinitions? {
        let started = ContinuousClock.now
        do {
            let definitions = try await load()
            tell(.success(definitions), .now - started)
            return definitions
        } catch {
            tell(.failure(error), .now - started)
            return nil
        }
    }
}
