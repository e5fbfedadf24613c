import AsyncHTTPClient
import NIOCore
import NIOPosix
import Synchronization
import TerapiCore

/// Keeps connections open for each place that was checked, and only for so many of them.
///
/// The transport has no hook for name resolution, so each checked address gets a transport of its own, which knows the
/// host under that one address.
final class ConnectionCache: Sendable {
    struct Key: Hashable, Sendable {
        var isHTTPS: Bool
        var host: String
        var port: Int
        var address: IPAddress
    }

    private struct Entry {
        var transport: HTTPClient
        var users = 0
        var lastUse: UInt64 = 0
        var isEvicted = false
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        /// Taken out of the cache while requests were running on them.
        var leaving: [ObjectIdentifier: Entry] = [:]
        var uses: UInt64 = 0
        var isClosed = false
    }

    struct Closed: Error {}

    private let capacity: Int
    private let connectTimeout: Duration
    private let state = Mutex(State())

    init(capacity: Int, connectTimeout: Duration) {
        self.capacity = capacity
        self.connectTimeout = connectTimeout
    }

    deinit {
        // The transports insist on being shut down; each holds itself until it has been.
        let left = state.withLock { $0.entries.values.map(\.transport) + $0.leaving.values.map(\.transport) }
        for transport in left { transport.shutdown { _ in } }
    }

    /// Lends the transport of a place for one request.
    func withTransport<Result: Sendable>(
        of key: Key,
        _ body: (HTTPClient) async throws -> Result
    ) async throws -> Result {
        let transport = try borrow(key)
        defer { giveBack(transport, key) }
        return try await body(transport)
    }

    /// The transport of a place until it is given back, which must happen once.
    struct Lease {
        let transport: HTTPClient
        let end: @Sendable () -> Void
    }

    /// Lends the transport of a place for longer than a call lasts.
    func lease(_ key: Key) throws -> Lease {
        let transport = try borrow(key)
        return Lease(transport: transport) { self.giveBack(transport, key) }
    }

    private func borrow(_ key: Key) throws -> HTTPClient {
        let (transport, evicted) = try state.withLock { state -> (HTTPClient, HTTPClient?) in
            guard !state.isClosed else { throw Closed() }
            state.uses += 1
            var evicted: HTTPClient?
            if state.entries[key] == nil {
                if state.entries.count >= capacity { evicted = Self.evictOldest(&state) }
                state.entries[key] = Entry(transport: makeTransport(for: key))
            }
            state.entries[key]?.users += 1
            state.entries[key]?.lastUse = state.uses
            guard let entry = state.entries[key] else { throw Closed() }
            return (entry.transport, evicted)
        }
        evicted?.shutdown { _ in }
        return transport
    }

    private func giveBack(_ transport: HTTPClient, _ key: Key) {
        let unused = state.withLock { state -> HTTPClient? in
            if state.entries[key]?.transport === transport {
                state.entries[key]?.users -= 1
                return nil
            }
            let id = ObjectIdentifier(transport)
            state.leaving[id]?.users -= 1
            guard state.leaving[id]?.users == 0 else { return nil }
            return state.leaving.removeValue(forKey: id)?.transport
        }
        unused?.shutdown { _ in }
    }

    /// Takes out the entry that was used the longest time ago.
    /// - Returns: its transport when nobody uses it any more and it must be closed.
    private static func evictOldest(_ state: inout State) -> HTTPClient? {
        // Idle ones first: one in use keeps its connections until the last request on it has ended.
        let oldest = state.entries.min {
            ($0.value.users > 0 ? 1 : 0, $0.value.lastUse) < ($1.value.users > 0 ? 1 : 0, $1.value.lastUse)
        }
        guard let (key, entry) = oldest else { return nil }
        state.entries[key] = nil
        if entry.users == 0 { return entry.transport }
        state.leaving[ObjectIdentifier(entry.transport)] = entry
        return nil
    }

    private func makeTransport(for key: Key) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.decompression = .disabled
        // Nobody listens, and a span that nobody sees costs as much as the guard does.
        configuration.tracing.tracer = nil
        configuration.httpVersion = .http1Only
        configuration.timeout = HTTPClient.Configuration.Timeout(
            connect: .nanoseconds(connectTimeout.microseconds * 1000)
        )
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 2048
        configuration.dnsOverride = [key.host: key.address.description]
        let expected = key.address
        // The last word: the socket itself must be connected to the address that was judged.
        configuration.http1_1ConnectionDebugInitializer = { channel in
            let peer = channel.remoteAddress?.ipAddress.flatMap(IPAddress.init)
            guard peer == expected else {
                return channel.eventLoop.makeFailedFuture(WrongPeer())
            }
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        return HTTPClient(
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton),
            configuration: configuration
        )
    }

    struct WrongPeer: Error {}

    var count: Int { state.withLock { $0.entries.count } }

    /// Closes every connection; requests that run are cut off, new ones fail.
    func close() async {
        let transports = state.withLock { state -> [HTTPClient] in
            state.isClosed = true
            let all = state.entries.values.map(\.transport) + state.leaving.values.map(\.transport)
            state.entries = [:]
            state.leaving = [:]
            return all
        }
        for transport in transports { try? await transport.shutdown() }
    }
}
