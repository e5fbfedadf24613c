import TerapiCore
import Testing

struct WebhookSignatureTests {
    private static let key1 = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    private static let key2 = Secret("whsec_vnj3GgOut1r5yjP6ULYVzwkFqXjY2nl+qvgQbv3QRHs=")

    struct Vector: Sendable, CustomTestStringConvertible {
        var id: String
        var timestamp: Int64
        var body: [UInt8]
        var keys: [Secret]
        var signatures: String

        var testDescription: String { id }
    }

    private static let vectors = [
        Vector(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp: 1_614_265_330,
            body: Array(#"{"test": 2432232314}"#.utf8),
            keys: [key1],
            signatures: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        ),
        Vector(
            id: "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
            timestamp: 1_674_087_231,
            body: Array(
                (#"{"type":"contact.created","timestamp":"2022-11-03T20:26:10.344522Z","data":{"id":"#
                    + #""1f81eb52-5198-4599-803e-771906343485"}}"#).utf8
            ),
            keys: [key1],
            signatures: "v1,ARw42xaAApl/nxRo+iPGYwSaMQaOwMo2eyH5JBRA+bQ="
        ),
        Vector(
            id: "msg_01J000000000000000000000AA",
            timestamp: 1_767_323_045,
            body: Array(
                (#"{"type":"sync.completed","timestamp":"2026-01-02T03:04:05Z","data":"#
                    + #"{"connectionId":"c-é-1","added":2}}"#).utf8
            ),
            keys: [key1, key2],
            signatures: "v1,Nl3Oa6EX4ZBJHrNAmRzf+ycVND/G5QY9HT/o+nLcIb0= "
                + "v1,3HGFLxnEuLU8bvrMYfg2clD9T8K4QnZmSiZ9uJqChnU="
        ),
        Vector(
            id: "msg_01J000000000000000000000AB",
            timestamp: 1_767_323_045,
            body: [],
            keys: [key1],
            signatures: "v1,5erhhYAPAeFUN0A+vnuy+8jjR1VhCid6KdS2swbIQnI="
        ),
        Vector(
            id: "msg_01J000000000000000000000AC",
            timestamp: 1_767_323_045,
            body: (0...255).map { UInt8($0) },
            keys: [key1],
            signatures: "v1,QXMcxlySs+CdAGRt04jrp8QGZrljzLfFM3YIT0Pq6y4="
        ),
    ]

    @Test(arguments: vectors)
    func `signs as the specification's vectors say`(vector: Vector) throws {
        let headers = try WebhookSignature.headers(
            id: vector.id,
            timestamp: vector.timestamp,
            body: vector.body,
            keys: vector.keys
        )
        let byName = Dictionary(uniqueKeysWithValues: headers.map { ($0.name, $0.value) })
        #expect(byName["webhook-id"] == vector.id)
        #expect(byName["webhook-timestamp"] == String(vector.timestamp))
        #expect(byName["webhook-signature"] == vector.signatures)
        // The plain form: the secret as text is the key, and the current key only.
        let plain = hex(hmacSHA256(key: Array((vector.keys.first?.reveal() ?? "").utf8), vector.body))
        #expect(byName["x-terapi-hmac-sha256"] == plain)
    }

    @Test(arguments: vectors)
    func `accepts the vectors with any one of their keys, five minutes around their time`(vector: Vector) {
        for key in vector.keys {
            for now in [vector.timestamp, vector.timestamp - 300, vector.timestamp + 300] {
                #expect(accepts(vector, keys: [key], now: now))
            }
            #expect(!accepts(vector, keys: [key], now: vector.timestamp - 301))
            #expect(!accepts(vector, keys: [key], now: vector.timestamp + 301))
        }
        #expect(!accepts(vector, keys: []))
        #expect(!accepts(vector, keys: [WebhookSignature.newSecret()]))
        var changed = vector
        changed.body.append(0x20)
        #expect(!accepts(changed, keys: vector.keys))
        changed = vector
        changed.id += "x"
        #expect(!accepts(changed, keys: vector.keys))
    }

    @Test(arguments: [
        "1614265330.0", "+1614265330", "0x6037b9b2", "9223372036854775808", "-1614265330", "", " 1614265330",
        "1614265330 ", "1614265029", "1614265631", "01614265330", "１６１４２６５３３０",
    ])
    func `refuses a timestamp in another form or too far away`(timestamp: String) {
        let vector = Self.vectors[0]
        #expect(!accepts(vector, timestamp: timestamp))
    }

    @Test(arguments: [
        "", " ", "v1", "v1,", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1,g0hM9SsE-OTPJTGt_tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1A==", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OEA",
        "v1,h0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ])
    func `refuses a signature in another form`(signatures: String) {
        #expect(!accepts(Self.vectors[0], signatures: signatures))
    }

    @Test
    func `looks at twenty signatures and not at a thousand`() {
        let vector = Self.vectors[0]
        let wrong = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        let nineteen = Array(repeating: wrong, count: 19)
        #expect(accepts(vector, signatures: (nineteen + [vector.signatures]).joined(separator: " ")))
        #expect(!accepts(vector, signatures: (nineteen + [wrong, vector.signatures]).joined(separator: " ")))
        let thousand = Array(repeating: wrong, count: 999) + [vector.signatures]
        #expect(!accepts(vector, signatures: thousand.joined(separator: " ")))
        // Versions that it does not know are passed over.
        #expect(accepts(vector, signatures: "v1a,xyz v9,abc \(vector.signatures)"))
    }

    @Test(arguments: ["msg.1", "", "."])
    func `refuses an id that could be confused with the rest of the content`(id: String) throws {
        let headers = try WebhookSignature.headers(id: id, timestamp: 1_000, body: [1], keys: [Self.key1])
        let signatures = headers.first { $0.name == "webhook-signature" }?.value ?? ""
        #expect(
            !WebhookSignature.verify(
                id: id,
                timestamp: "1000",
                signatures: signatures,
                body: [1],
                keys: [Self.key1],
                now: 1_000
            )
        )
    }

    @Test(arguments: [
        "whsec_", "whsec_!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "",
    ])
    func `does not sign with a key in another form`(key: String) {
        #expect(throws: TerapiError.self) {
            try WebhookSignature.headers(id: "msg_1", timestamp: 1, body: [], keys: [Secret(key)])
        }
        #expect(!accepts(Self.vectors[0], keys: [Secret(key)]))
    }

    @Test
    func `makes secrets of 32 random bytes`() {
        let secrets = (0..<100).map { _ in WebhookSignature.newSecret().reveal() }
        #expect(Set(secrets).count == 100)
        for secret in secrets {
            #expect(secret.hasPrefix("whsec_"))
            #expect(Base64.standard.decode(String(secret.dropFirst(6)))?.count == 32)
        }
    }

    private func accepts(
        _ vector: Vector,
        timestamp: String? = nil,
        signatures: String? = nil,
        keys: [Secret]? = nil,
        now: Int64? = nil
    ) -> Bool {
        WebhookSignature.verify(
            id: vector.id,
            timestamp: timestamp ?? String(vector.timestamp),
            signatures: signatures ?? vector.signatures,
            body: vector.body,
            keys: keys ?? vector.keys,
            now: now ?? vector.timestamp
        )
    }
}
