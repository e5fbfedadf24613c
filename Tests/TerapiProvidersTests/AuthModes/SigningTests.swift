import TerapiCore
import Testing

@testable import TerapiProviders

/// The signatures by themselves, against vectors that others have published.
struct SigningTests {
    @Test func `signs as the example in Twitter's guide to OAuth 1`() throws {
        let signature = OAuth1Signature(
            consumerKey: "xvz1evFS4wEEPTGEFPHBog",
            consumerSecret: Secret("kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw"),
            token: "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
            tokenSecret: Secret("LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"),
            timestamp: 1_318_622_958,
            nonce: "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg"
        )
        var request = OutboundRequest(
            method: "post",
            url: "https://API.twitter.com:443/1.1/statuses/update.json?include_entities=true",
            headers: [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")],
            body: Array("status=Hello%20Ladies%20%2b%20Gentlemen%2c%20a%20signed%20OAuth+request%21".utf8),
            purpose: .script
        )

        #expect(try signature.header(for: request).contains("oauth_signature=\"hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D\""))

        // The control: one byte of the body more.
        request.body?.append(UInt8(ascii: "!"))
        #expect(try !signature.header(for: request).contains("hCtSmYh"))
    }

    @Test(arguments: [
        ("/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ])
    func `signs as the test suite of AWS Signature Version 4`(target: String, expected: String) throws {
        var request = OutboundRequest(method: "GET", url: "https://example.amazonaws.com\(target)", purpose: .script)

        try Self.aws().sign(&request)

        let scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
        #expect(
            request.header("authorization")
                == "AWS4-HMAC-SHA256 Credential=\(scope), SignedHeaders=host;x-amz-date, Signature=\(expected)"
        )
        #expect(request.header("x-amz-date") == "20150830T123600Z")
    }

    @Test func `a session token and the body are part of the signature`() throws {
        func authorization(_ token: Secret?, _ body: String) throws -> String? {
            var request = OutboundRequest(
                method: "POST", url: "https://example.amazonaws.com/", body: Array(body.utf8), purpose: .script
            )
            try Self.aws(token).sign(&request)
            return request.header("authorization")
        }

        let plain = try authorization(nil, "a")
        #expect(try authorization(nil, "b") != plain)
        #expect(try authorization(Secret("t"), "a")?.contains("host;x-amz-date;x-amz-security-token") == true)
    }

    private static func aws(_ token: Secret? = nil) -> AWSSignature {
        AWSSignature(
            accessKeyID: "AKIDEXAMPLE",
            secretAccessKey: Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            sessionToken: token,
            region: "us-east-1",
            service: "service",
            now: Timestamp(iso8601: "2015-08-30T12:36:00Z") ?? Sample.now
        )
    }

    @Test func `a key that lost its lines on the way signs all the same`() throws {
        let key = try TestKey.rsa()
        let flat = key.pem.split(separator: "\n").joined(separator: " ")

        for pem in [key.pem, flat, key.pem.replacing("\n", with: "\\n"), key.pem.replacing("\n", with: "\r\n")] {
            let token = try JSONWebToken.signed(payload: ["a": 1], algorithm: .rs256, key: Array(pem.utf8))
            #expect(key.verifies(token)?["a"] == 1)
        }
    }

    @Test(arguments: JSONWebToken.Algorithm.allCases.filter { $0 != .hs256 })
    func `a key that is none is refused and not shown`(algorithm: JSONWebToken.Algorithm) {
        let error = #expect(throws: TerapiError.self) {
            try JSONWebToken.signed(payload: [:], algorithm: algorithm, key: Array("canary-key".utf8))
        }

        #expect(error?.code == .invalidBody)
        #expect(error.map { "\($0)".contains("canary") } == false)
    }

    @Test(arguments: [
        (#"<a><b>1</b><b>2</b><c x="y">t &amp; &#65;</c></a>"#, #"{"a":{"b":["1","2"],"c":"t & A"}}"#),
        ("<?xml version='1.0'?>\n<!-- x --><s:E xmlns:s=\"u\"><s:T><![CDATA[<&>]]></s:T></s:E>", #"{"E":{"T":"<&>"}}"#),
        ("<a/>", #"{"a":null}"#),
    ])
    func `reads the XML of token endpoints`(text: String, expected: String) {
        #expect(XMLText.read(Array(text.utf8))?.text() == expected)
    }

    @Test(arguments: [
        "", "text", "<a>", "<a></b>", "<a>&x;</a>", "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "<a", "<1/>",
        String(repeating: "<a>", count: 40) + String(repeating: "</a>", count: 40),
    ])
    func `reads nothing else as XML`(text: String) {
        #expect(XMLText.read(Array(text.utf8)) == nil)
    }

    /// A provider whose host an end user names may answer anything: it must not cost more than it weighs.
    @Test func `reads no XML of more than ten thousand elements`() {
        func list(_ count: Int) -> [UInt8] { Array("<r>\(String(repeating: "<a/>", count: count))</r>".utf8) }

        #expect(XMLText.read(list(9_999))?["r"]?["a"]?.array?.count == 9_999)
        #expect(XMLText.read(list(10_000)) == nil)
        #expect(XMLText.read(list(240_000)) == nil)
    }

    @Test func `writes values into XML so that they stay values`() {
        let bytes = XMLText.encoded(["r": ["p": "</p><x>\"&", "l": ["1", 2], "@v": "a\"b"]])

        #expect(
            String(decoding: bytes, as: UTF8.self).hasSuffix(
                #"<r v="a&quot;b"><p>&lt;/p&gt;&lt;x&gt;&quot;&amp;</p><l>1</l><l>2</l></r>"#
            )
        )
        #expect(XMLText.read(bytes)?.value(at: "r.p") == "</p><x>\"&")
    }
}
