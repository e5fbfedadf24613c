import Synchronization

/// The catalogue that is in use now; files that change put another in its place.
public final class CatalogShelf: Sendable {
    private let catalog: Mutex<ProviderCatalog>

    public init(_ catalog: ProviderCatalog) {
        self.catalog = Mutex(catalog)
    }

    public var current: ProviderCatalog { catalog.withLock { $0 } }

    public func replace(with catalog: ProviderCatalog) {
        self.catalog.withLock { $0 = catalog }
    }
}
