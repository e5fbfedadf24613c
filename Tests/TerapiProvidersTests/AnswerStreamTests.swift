import Synchronization
import TerapiCore
import TestSupport
import Testing

@testable import TerapiProviders

/// Requests and answers that pass through.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct AnswerStreamTests {
    private func client() throws -> ProviderClient {
        ProviderClient(guardedBy: OutboundGuard(allowed: try loopback(), lifetime: .zero))
    }

    private func request(_ url: String, method: String = "GET", idle: Duration = .seconds(10)) -> OutboundRequest {
        var request = OutboundRequest(method: method, url: url, timeout: idle, purpose: .proxy)
        request.asksForCompression = false
        return request
    }

    @Test func `a small answer is whole at once, with its length and without its connection's headers`() async throws {
        let server = try await LoopbackServer { _ in
            .http(201, headers: [("Connection", "X-Own"), ("X-Own", "1"), ("X-A", "b")], body: [1, 2, 3])
        }
        let client = try client()

        let answer = try await client.open(request(server.url), body: nil)

        #expect(answer.status == 201)
        #expect(answer.headers.map(\.name) == ["content-length", "x-a"])
        #expect(try await answer.beginning(2) == [1, 2, 3])
        #expect(answer.wholeBody == [1, 2, 3])
        #expect(server.requests.first?.headers["accept-encoding"] == nil)
        #expect(server.connectionCount == 1)
        await client.close()
        await server.close()
    }

    @Test func `a body flows to the provider with its length`() async throws {
        let server = try await LoopbackServer { .http(200, body: $0.body) }
        let client = try client()
        let flow = ByteFlow(length: 300_000) { take in
            for number in UInt8(0)..<3 { try await take([UInt8](repeating: number, count: 100_000)) }
        }

        let answer = try await client.open(request(server.url, method: "PUT"), body: flow)
        var received: [UInt8] = []
        try await answer.readBody { received += $0 }

        #expect(server.requests.first?.headers["content-length"] == "300000")
        #expect(received.count == 300_000 && received[150_000] == 1)
        await client.close()
        await server.close()
    }

    @Test func `an answer without an end passes piece by piece and is held back`() async throws {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n"
        let server = try await LoopbackServer { _ in .endless(Array(head.utf8), [UInt8](repeating: 9, count: 65_536)) }
        let client = try client()

        let answer = try await client.open(request(server.url), body: nil)
        var bytes = 0
        await #expect(throws: Enough.self) {
            try await answer.readBody { piece in
                #expect(piece.count <= 262_144)
                bytes += piece.count
                if bytes > 50_000_000 { throw Enough() }
            }
        }

        #expect(answer.wholeBody == nil)
        answer.abandon()
        await client.close()
        await server.close()
    }

    @Test func `an answer that breaks off is an error behind what has come`() async throws {
        let server = try await LoopbackServer { _ in
            .raw(Array("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".utf8))
        }
        let client = try client()

        let answer = try await client.open(request(server.url), body: nil)
        let received = Mutex<[UInt8]>([])
        let error = await #expect(throws: TerapiError.self) {
            try await answer.readBody { piece in received.withLock { $0 += piece } }
        }

        #expect(error?.code == .providerError)
        #expect(received.withLock { $0 } == Array("abc".utf8))
        await client.close()
        await server.close()
    }

    @Test func `silence ends a request, before its head and behind it`() async throws {
        let server = try await LoopbackServer { request in
            request.target == "/head"
                ? .raw(Array("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".utf8), closes: false) : .silence
        }
        let client = try client()
        let idle = Duration.milliseconds(300)

        let none = await #expect(throws: TerapiError.self) {
            _ = try await client.open(request(server.url, idle: idle), body: nil)
        }
        let answer = try await client.open(request(server.url + "/head", idle: idle), body: nil)
        let half = await #expect(throws: TerapiError.self) { try await answer.readBody { _ in } }

        #expect(none?.message.contains("did not answer in time") == true)
        #expect(half?.message.contains("did not answer in time") == true)
        await client.close()
        await server.close()
    }

    @Test func `cancelling ends a request that waits`() async throws {
        let (arrivals, arrived) = AsyncStream.makeStream(of: Void.self)
        let server = try await LoopbackServer { _ in
            arrived.yield()
            return .silence
        }
        let client = try client()
        let opening = Task { try await client.open(request(server.url), body: nil).status }
        for await _ in arrivals { break }

        opening.cancel()

        await #expect(throws: CancellationError.self) { try await opening.value }
        await client.close()
        await server.close()
    }

    @Test func `a body that fails fails the request`() async throws {
        let server = try await LoopbackServer { _ in .http(200) }
        let client = try client()
        let flow = ByteFlow(length: 100) { take in
            try await take([1])
            throw TerapiError(.invalidBody, "The body ended after 1 bytes.")
        }

        let error = await #expect(throws: TerapiError.self) {
            _ = try await client.open(request(server.url, method: "POST"), body: flow)
        }

        #expect(error?.code == .invalidBody)
        #expect(server.requests.isEmpty)
        await client.close()
        await server.close()
    }

    @Test(arguments: [(302, true, "GET"), (303, true, "GET"), (307, true, "POST"), (307, false, "")])
    func `a redirect takes along a body that was kept`(status: Int, isKept: Bool, method: String) async throws {
        let server = try await LoopbackServer { request in
            request.target == "/to" ? .http(200) : .http(status, headers: [("Location", "/to")])
        }
        let client = try client()
        var request = request(server.url, method: "POST")
        if isKept { request.body = [1, 2, 3] }

        let flow = ByteFlow(length: 3) { take in try await take([1, 2, 3]) }
        let answer = try await client.open(request, body: isKept ? nil : flow)

        #expect(answer.status == (isKept ? 200 : 307))
        #expect(server.requests.count == (isKept ? 2 : 1))
        if isKept { #expect(server.requests[1].method == method) }
        await client.close()
        await server.close()
    }

    @Test(arguments: ["http://10.0.0.1/", "ftp://127.0.0.1/", "http://127.0.0.1@10.0.0.1/"])
    func `a redirect to a forbidden place has a code of its own`(place: String) async throws {
        let server = try await LoopbackServer { _ in .http(302, headers: [("Location", place)]) }
        let client = try client()

        let redirected = await #expect(throws: TerapiError.self) {
            _ = try await client.open(request(server.url), body: nil)
        }
        let direct = await #expect(throws: TerapiError.self) { _ = try await client.open(request(place), body: nil) }

        #expect(redirected?.code == .proxyRedirectToDeniedHost)
        #expect(direct?.code == .outboundRefused)
        await client.close()
        await server.close()
    }
}

private struct Enough: Error {}

struct InflateStreamTests {
    private static let text = (0..<50_000).flatMap { Array("line \($0)\n".utf8) }

    @Test(arguments: [31, 15, -15] as [Int32], [1, 7, 1_000, 1_000_000])
    func `unpacks every format, however it is cut`(windowBits: Int32, size: Int) throws {
        let packed = Deflate.compress(Self.text, windowBits: windowBits)
        let stream = InflateStream()
        var unpacked: [UInt8] = []

        for start in stride(from: 0, to: packed.count, by: size) {
            try stream.take(Array(packed[start..<min(start + size, packed.count)]))
            while let piece = try stream.next() {
                #expect(piece.count <= 65_536)
                unpacked += piece
            }
        }
        try stream.finish()

        #expect(unpacked == Self.text)
    }

    @Test func `unpacks members in a row, and nothing`() throws {
        let member = Deflate.compress(Array("twice".utf8), windowBits: 31)
        let stream = InflateStream()
        var unpacked: [UInt8] = []

        try stream.take(member + member)
        while let piece = try stream.next() { unpacked += piece }
        try stream.finish()
        try InflateStream().finish()

        #expect(unpacked == Array("twicetwice".utf8))
    }

    @Test func `tells what is cut off or damaged`() throws {
        let packed = Deflate.compress(Self.text, windowBits: 31)
        let short = InflateStream()
        try short.take(Array(packed.dropLast(9)))
        while try short.next() != nil {}
        let broken = InflateStream()
        var damaged = packed
        damaged[500] ^= 0xFF

        #expect(throws: Inflate.Failure.self) { try short.finish() }
        #expect(throws: Inflate.Failure.self) {
            try broken.take(damaged)
            while try broken.next() != nil {}
            try broken.finish()
        }
    }

    @Test func `an answer says that it is unpacked`() async throws {
        let packed = Deflate.compress(Self.text, windowBits: 31)
        let headers = [("content-encoding", "gzip"), ("content-length", "\(packed.count)"), ("x-a", "b")]
        let answer = InflatedAnswer.of(GivenAnswer(headers: headers, body: packed))
        var unpacked: [UInt8] = []

        try await answer.readBody { unpacked += $0 }

        #expect(answer.headers.map(\.name) == ["x-a"])
        #expect(answer.wholeBody == nil)
        #expect(unpacked == Self.text)
        #expect(try await answer.beginning(10).starts(with: Self.text.prefix(10)))
        #expect(InflatedAnswer.of(GivenAnswer(body: [1])).wholeBody == [1])
    }
}
