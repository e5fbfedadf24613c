import NIOCore
import NIOPosix
import Synchronization
import TerapiCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Where the addresses of a host come from: the system, or a list in tests.
public protocol HostResolver: Sendable {
    /// All addresses of the host in the order in which they should be tried.
    /// - Throws: ``OutboundFailure`` when there is none or the answer takes too long.
    func addresses(of host: String) async throws -> [IPAddress]
}

/// Asks the system's resolver, on threads of its own because the question blocks.
public final class SystemResolver: HostResolver {
    private let timeout: Duration
    private let threads: NIOThreadPool
    private let eventLoop: any EventLoop
    private let isStarted = Mutex(false)

    /// - Parameter timeout: how long one question may take.
    public init(timeout: Duration = .seconds(10)) {
        self.timeout = timeout
        threads = NIOThreadPool(numberOfThreads: 4)
        eventLoop = MultiThreadedEventLoopGroup.singleton.any()
    }

    deinit {
        // The pool keeps its threads until it is told to let them go.
        threads.shutdownGracefully { _ in }
    }

    public func addresses(of host: String) async throws -> [IPAddress] {
        isStarted.withLock { isStarted in
            if !isStarted { threads.start() }
            isStarted = true
        }
        let promise = eventLoop.makePromise(of: [IPAddress].self)
        let expiry = eventLoop.scheduleTask(in: .nanoseconds(timeout.microseconds * 1000)) { [timeout] in
            promise.fail(OutboundFailure(.notSent, "no answer about \(host) from the name servers within \(timeout)"))
        }
        threads.submit { state in
            guard case .active = state else {
                return promise.fail(OutboundFailure(.notSent, "the server is stopping"))
            }
            promise.completeWith(Result { try Self.ask(host) })
        }
        defer { expiry.cancel() }
        return try await promise.futureResult.get()
    }

    private static func ask(_ host: String) throws -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_flags = AI_ADDRCONFIG
        hints.ai_family = AF_UNSPEC
        #if canImport(Glibc)
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        #else
        hints.ai_socktype = Int32(SOCK_STREAM)
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &list)
        guard status == 0 else {
            let reason = gai_strerror(status).map { String(cString: $0) } ?? "error \(status)"
            throw OutboundFailure(.notSent, "\(host) has no address (\(reason))")
        }
        defer { freeaddrinfo(list) }
        var addresses: [IPAddress] = []
        var next = list
        while let entry = next?.pointee {
            let bytes: [UInt8]? =
                switch entry.ai_family {
                case AF_INET:
                    entry.ai_addr.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
                        withUnsafeBytes(of: address.pointee.sin_addr) { Array($0) }
                    }
                case AF_INET6:
                    entry.ai_addr.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                        withUnsafeBytes(of: address.pointee.sin6_addr) { Array($0) }
                    }
                default: nil
                }
            if let address = bytes.map(IPAddress.init(bytes:)), !addresses.contains(address) {
                addresses.append(address)
            }
            next = entry.ai_next
        }
        return addresses
    }
}
