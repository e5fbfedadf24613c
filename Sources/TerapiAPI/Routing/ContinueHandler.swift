import NIOCore

/// Tells a caller who waits to be told that the body is wanted (RFC 9110, section 10.1.1), and is gone.
///
/// It stands next to the network: below those who take every head for that of the answer.
final class ContinueHandler: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    static func send(through channel: any Channel) {
        channel.eventLoop.execute {
            // A channel that has closed takes no handlers, and nobody waits there any more.
            try? channel.pipeline.syncOperations.addHandler(ContinueHandler(), position: .first)
        }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let line = ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")
        context.writeAndFlush(wrapOutboundOut(line), promise: nil)
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }
}
