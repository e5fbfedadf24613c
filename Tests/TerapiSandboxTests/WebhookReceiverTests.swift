import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import TerapiCore
import Testing

@testable import TerapiSandbox

struct WebhookReceiverTests {
    private let clock = TestClock()
    private let key = WebhookSignature.newSecret()
    private let receiver: WebhookReceiver
    private let body = Array(#"{"from":"terapi","type":"sync"}"#.utf8)

    init() {
        receiver = WebhookReceiver(signingKey: key, clock: clock, logger: Logger(label: "test"))
    }

    @Test
    func `hands on what is signed`() async throws {
        try await Application(router: receiver.router()).test(.router) { client in
            let response = try await send(try signed(with: key), client)

            #expect(response.status == .noContent)
            let delivery = await receiver.deliveries.first { _ in true }
            #expect(delivery?.id == "msg_1")
            #expect(delivery?.path == "/hooks/terapi")
            #expect(delivery?.body["type"] == "sync")
        }
    }

    @Test(arguments: ["webhook-id", "webhook-timestamp", "webhook-signature", "x-terapi-hmac-sha256"])
    func `refuses what lacks or changes a part of the signature`(name: String) async throws {
        try await Application(router: receiver.router()).test(.router) { client in
            let field = try #require(HTTPField.Name(name))
            var without = try signed(with: key)
            without[field] = nil
            var changed = try signed(with: key)
            changed[field] = "1" + (changed[field] ?? "")

            #expect(try await send(without, client).status == .unauthorized)
            #expect(try await send(changed, client).status == .unauthorized)
            #expect(receiver.refusedCount == 2)
        }
    }

    @Test
    func `refuses another key and an old time`() async throws {
        try await Application(router: receiver.router()).test(.router) { client in
            let old = try signed(with: key)
            #expect(try await send(try signed(with: WebhookSignature.newSecret()), client).status == .unauthorized)
            clock.advance(by: .seconds(301))
            #expect(try await send(old, client).status == .unauthorized)
        }
    }

    @Test
    func `fails as often as ordered`() async throws {
        try await Application(router: receiver.router()).test(.router) { client in
            receiver.fail(times: 2, status: 503, retryAfterSeconds: 3)

            var answers: [TestResponse] = []
            for _ in 0..<3 { answers.append(try await send(try signed(with: key), client)) }

            #expect(answers.map(\.status.code) == [503, 503, 204])
            #expect(answers.map { $0.headers[.retryAfter] } == ["3", "3", nil])
        }
    }

    private func signed(with key: Secret) throws -> HTTPFields {
        var fields = HTTPFields()
        for (name, value) in try WebhookSignature.headers(
            id: "msg_1",
            timestamp: clock.now.unixSeconds,
            body: body,
            keys: [key]
        ) {
            fields[try #require(HTTPField.Name(name))] = value
        }
        return fields
    }

    private func send(_ headers: HTTPFields, _ client: some TestClientProtocol) async throws -> TestResponse {
        try await client.execute(
            uri: "/hooks/terapi",
            method: .post,
            headers: headers,
            body: ByteBuffer(bytes: body)
        )
    }
}
