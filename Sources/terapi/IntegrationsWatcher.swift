import Logging
import ServiceLifecycle
import Synchronization
import TerapiCore
import TerapiScripts

/// Loads the folder of integrations again when a file in it changes. With a mistake in it, what was loaded before stays.
final class IntegrationsWatcher: Service {
    private static let interval = Duration.seconds(1)
    /// Looking takes at most this part of the time.
    private static let rest = 100

    private let folder: IntegrationsFolder
    private let host: ScriptHost
    private let clock: any WallClock
    private let logger: Logger
    private let replace: @Sendable (ScriptDefinitions) async throws -> Void
    private let seen: Mutex<IntegrationsFolder.Traces>

    /// - Parameters:
    ///   - seen: the folder as it was when it was loaded.
    ///   - replace: gets all definitions of the folder.
    init(
        _ folder: IntegrationsFolder,
        seen: IntegrationsFolder.Traces,
        host: ScriptHost,
        clock: any WallClock,
        logger: Logger,
        replace: @escaping @Sendable (ScriptDefinitions) async throws -> Void
    ) {
        self.folder = folder
        self.seen = Mutex(seen)
        self.host = host
        self.clock = clock
        self.logger = logger
        self.replace = replace
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let started = ContinuousClock.now
                await self.runOnce()
                try? await self.clock.sleep(for: max(Self.interval, (.now - started) * Self.rest))
            }
        }
    }

    func runOnce() async {
        let traces = folder.traces()
        let isChanged = seen.withLock { seen in
            defer { seen = traces }
            return seen != traces
        }
        guard isChanged else { return }
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
