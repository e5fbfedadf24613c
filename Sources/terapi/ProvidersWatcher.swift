import Logging
import ServiceLifecycle
import Synchronization
import TerapiCore
import TerapiProviders

/// Loads the provider files again when one of them changes. With a mistake in them, the catalogue of before stays.
final class ProvidersWatcher: Service {
    private static let interval = Duration.seconds(1)

    private let path: String
    private let shelf: CatalogShelf
    private let clock: any WallClock
    private let logger: Logger
    private let seen: Mutex<ProviderFolder.Traces>

    /// - Parameter seen: the files as they were when they were loaded.
    init(_ path: String, seen: ProviderFolder.Traces, shelf: CatalogShelf, clock: any WallClock, logger: Logger) {
        self.path = path
        self.seen = Mutex(seen)
        self.shelf = shelf
        self.clock = clock
        self.logger = logger
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                self.runOnce()
                try? await self.clock.sleep(for: Self.interval)
            }
        }
    }

    /// - Returns: whether another catalogue is in use now.
    @discardableResult
    func runOnce() -> Bool {
        let traces = ProviderFolder(path).traces()
        let isChanged = seen.withLock { seen in
            defer { seen = traces }
            return seen != traces
        }
        guard isChanged else { return false }
        do {
            let catalog = try ProviderCatalog.load(path)
            shelf.replace(with: catalog)
            logger.info("The provider files were loaded again.", metadata: ["providers": "\(catalog.providers.count)"])
            catalog.logWarnings(to: logger)
            return true
        } catch let error as TerapiError {
            logger.error("The provider files have changed and cannot be used; those of before stay. \(error)")
        } catch {
            logger.error("The provider files have changed and cannot be read; those of before stay. \(error)")
        }
        return false
    }
}

extension ProviderCatalog {
    private static let shown = 20

    /// Files of another platform can have hundreds: the first of them, and where the rest is found.
    func logWarnings(to logger: Logger) {
        for warning in warnings.prefix(Self.shown) { logger.warning("\(warning)") }
        guard warnings.count > Self.shown else { return }
        let rest = warnings.count - Self.shown
        logger.warning("There are \(rest) more of these warnings: `terapi providers check` lists all.")
    }
}
