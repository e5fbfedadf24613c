import TerapiCore
import Testing

struct SecretTests {
    private struct Holder {
        var name = "holder"
        var secret: Secret
        var optional: Secret?
        var list: [Secret]
        var byName: [String: Secret]
    }

    private static let value = "tok_53cr3t-value"

    private var holder: Holder {
        let secret = Secret(Self.value)
        return Holder(secret: secret, optional: secret, list: [secret], byName: ["a": secret])
    }

    @Test
    func `shows nowhere but where it is asked for`() {
        var dumped = ""
        dump(holder, to: &dumped)
        let mirrored = Mirror(reflecting: holder.secret).children.map { "\($0)" }.joined()
        let texts = [
            "\(holder)", String(describing: holder), String(reflecting: holder), dumped, mirrored,
            "\(holder.secret)", String(describing: holder.secret), String(reflecting: holder.secret),
            "\(String(describing: holder.optional))", "\(holder.list)", "\(holder.byName)",
            "\(Credentials.apiKey(holder.secret))", "\(Credentials.basic(username: "u", password: holder.secret))",
            "\(Credentials.oauth2(OAuth2Credentials(accessToken: holder.secret, refreshToken: holder.secret)))",
            "\(IntegrationCredentials(type: "OAUTH2", clientID: "c", clientSecret: holder.secret, scopes: []))",
        ]
        for text in texts { #expect(!text.contains(Self.value), "\(text)") }
        #expect(dumped.contains("***"))
        #expect(holder.secret.reveal() == Self.value)
        // The control: a plain string in the same place does show.
        #expect("\(["a": Self.value])".contains(Self.value))
    }

    @Test
    func `shows nothing of a token answer`() {
        let raw: JSONValue = ["access_token": .string(Self.value)]
        let credentials = Credentials.oauth2(OAuth2Credentials(accessToken: Secret("another"), raw: raw))
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), dumped] {
            #expect(!text.contains(Self.value), "\(text)")
        }
    }

    @Test
    func `is equal by its value`() {
        #expect(Secret("a") == Secret("a"))
        #expect(Secret("a") != Secret("b"))
        #expect(Secret("a") != Secret("aa"))
        #expect(Set([Secret("a"), Secret("a"), Secret("b")]).count == 2)
    }

    @Test(
        arguments: [
            ([], [], true), ([1], [1], true), ([1], [2], false), ([1, 2], [1], false), ([1, 2, 3], [1, 2, 4], false),
            ([0x81], [0x01], false),
        ] as [([UInt8], [UInt8], Bool)])
    func `compares bytes`(left: [UInt8], right: [UInt8], expected: Bool) {
        #expect(constantTimeEqual(left, right) == expected)
    }
}
