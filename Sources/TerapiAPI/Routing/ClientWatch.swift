import NIOCore
import Synchronization

/// Tells when a client has gone, so that nobody works on for it.
///
/// A client that only closes its own direction counts as gone too: that is how a connection ends, and HTTP has no use
/// for it otherwise.
final class ClientWatch: Sendable {
    private struct Client {
        var hasGone = false
        var act: (@Sendable () -> Void)?
    }

    /// By channel: as long as it is open.
    private let clients = Mutex<[ObjectIdentifier: Client]>([:])

    /// Cancels the body when the client goes.
    func whileConnected<Result: Sendable>(
        _ channel: (any Channel)?,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let task = Task { try await body() }
        watch(channel) { task.cancel() }
        defer { unwatch(channel) }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// A client is watched for one purpose at a time.
    func watch(_ channel: (any Channel)?, _ act: @escaping @Sendable () -> Void) {
        guard let channel else { return }
        let hasGone = clients.withLock { clients in
            clients[ObjectIdentifier(channel)]?.act = act
            return clients[ObjectIdentifier(channel)]?.hasGone ?? false
        }
        if hasGone { act() }
    }

    func unwatch(_ channel: (any Channel)?) {
        guard let channel else { return }
        clients.withLock { $0[ObjectIdentifier(channel)]?.act = nil }
    }

    fileprivate func opened(_ channel: any Channel) {
        clients.withLock { $0[ObjectIdentifier(channel)] = Client() }
    }

    fileprivate func gone(_ channel: any Channel) {
        let act = clients.withLock { clients in
            clients[ObjectIdentifier(channel)]?.hasGone = true
            return clients[ObjectIdentifier(channel)]?.act
        }
        act?()
    }

    fileprivate func closed(_ channel: any Channel) {
        gone(channel)
        clients.withLock { $0[ObjectIdentifier(channel)] = nil }
    }
}

/// Tells a ``ClientWatch`` about one connection.
final class ClientWatchHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Any

    private let watch: ClientWatch

    init(_ watch: ClientWatch) {
        self.watch = watch
    }

    func handlerAdded(context: ChannelHandlerContext) {
        watch.opened(context.channel)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed = event as? ChannelEvent { watch.gone(context.channel) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        watch.closed(context.channel)
        context.fireChannelInactive()
    }
}
