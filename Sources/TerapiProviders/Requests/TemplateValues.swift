import TerapiCore

/// What the placeholders of one request stand for.
struct TemplateValues: Sendable {
    var connectionConfig = JSONObject()
    /// The developer's fields of the integration.
    var integrationConfig = JSONObject()
    var metadata: JSONObject?
    var credentials = Credentials.none
    var clientID: String?
    var clientSecret: Secret?
    /// `nil` outside requests in the name of a connection.
    var request: RequestFacts?
    /// What else can be named while a token is being got: `token`, `step1.…`, `assertionOption.…`.
    var further = JSONObject()
    var now: Timestamp
    /// The same for all uses in one request.
    var random = randomUUID()

    /// What callers may name in an address, which can lead to a place of their own: nothing of the developer's, and nothing
    /// that outlives the connection's own access.
    var forCallers: TemplateValues {
        var values = self
        values.clientSecret = nil
        values.integrationConfig = [:]
        switch values.credentials {
        case .oauth2(var tokens):
            tokens.refreshToken = nil
            values.credentials = .oauth2(tokens)
        case .derived(var derived):
            derived.refreshToken = nil
            for name in ["refreshToken", "refresh_token"] { derived.given[name] = nil }
            values.credentials = .derived(derived)
        default: break
        }
        return values
    }

    func value(_ name: String) -> String? {
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        if parts.count == 2 {
            switch parts[0] {
            case "connectionConfig", "connection_config": return Self.text(connectionConfig, parts[1])
            case "integrationConfig", "integration_config": return Self.text(integrationConfig, parts[1])
            case "metadata": return metadata.flatMap { Self.text($0, parts[1]) }
            case "credentials": return Self.text(further, name) ?? credential(parts[1])
            default: return Self.text(further, name)
            }
        }
        switch name {
        case "random": return random
        case "clientId": return clientID
        case "clientSecret": return clientSecret?.reveal()
        default:
            if name.hasPrefix("now") { return moment(name) }
            return request?[name] ?? Self.text(further, name) ?? credential(name) ?? Self.text(connectionConfig, name)
        }
    }

    private func credential(_ name: String) -> String? {
        switch (credentials, name) {
        case (.apiKey(let key), "apiKey"): key.reveal()
        case (.basic(let username, _), "username"): username
        case (.basic(_, let password), "password"): password.reveal()
        case (.oauth2(let tokens), "accessToken"), (.oauth2(let tokens), "access_token"),
            (.oauth2(let tokens), "token"):
            tokens.accessToken.reveal()
        case (.oauth2(let tokens), "refreshToken"), (.oauth2(let tokens), "refresh_token"):
            tokens.refreshToken?.reveal()
        case (.oauth1(let tokens), "oauth_token"), (.tba(let tokens), "token_id"): tokens.token.reveal()
        case (.derived(let derived), "accessToken"), (.derived(let derived), "access_token"):
            derived.token?.reveal()
        case (.derived(let derived), "refreshToken"), (.derived(let derived), "refresh_token"):
            derived.refreshToken?.reveal() ?? Self.text(derived.given, name)
        case (.derived(let derived), _): Self.field(name, of: derived)
        default: nil
        }
    }

    /// A field by its name, in either spelling (`session_id`, `sessionId`); of a key in two parts, `id:secret`, one part.
    private static func field(_ name: String, of derived: DerivedCredentials) -> String? {
        for place in [derived.issued, derived.given] {
            for spelling in [name, snakeCase(name)] {
                if let value = text(place, spelling) { return value }
            }
        }
        let path = name.split(separator: ".")
        guard path.count == 2, let parts = derived.given[String(path[0])]?.string?.split(separator: ":"),
            parts.count == 2
        else { return nil }
        return path[1] == "id" ? String(parts[0]) : path[1] == "secret" ? String(parts[1]) : nil
    }

    private static func snakeCase(_ name: String) -> String {
        name.reduce(into: "") { $0 += $1.isUppercase ? "_\($1.lowercased())" : String($1) }
    }

    /// An empty text counts as not given.
    private static func text(_ object: JSONObject, _ path: String) -> String? {
        switch JSONValue.object(object).value(at: path) {
        case .string(let text): text.isEmpty ? nil : text
        case .number(let digits): digits
        case .bool(let flag): flag ? "true" : "false"
        default: nil
        }
    }

    /// `now`, `now:FORMAT`, `now+5:minutes:FORMAT`.
    private func moment(_ name: String) -> String? {
        var parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var moment = now
        if parts[0] != "now" {
            let sign: Int64 = parts[0].hasPrefix("now+") ? 1 : parts[0].hasPrefix("now-") ? -1 : 0
            let digits = parts[0].dropFirst(4)
            guard sign != 0, (1...9).contains(digits.utf8.count),
                digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int64(digits), parts.count == 2
            else { return nil }
            let rest = parts[1].split(separator: ":", maxSplits: 1).map(String.init)
            let seconds: [String: Int64] = [
                "s": 1, "second": 1, "m": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400,
            ]
            let unit = rest.first ?? ""
            guard let factor = seconds[unit] ?? seconds[String(unit.dropLast())] else { return nil }
            moment = moment + .seconds(sign * count * factor)
            parts = ["now"] + rest.dropFirst()
        }
        return DateFormat.text(of: moment, format: parts.count == 2 ? parts[1] : "YYYY-MM-DDTHH:mm:ssZ")
    }
}

/// Dates in the tokens of day.js, in UTC.
enum DateFormat {
    private static let tokens = [
        "YYYY", "YY", "MMM", "MM", "M", "DD", "D", "HH", "H", "mm", "m", "ss", "s", "SSS", "ddd", "ZZ", "Z", "X", "x",
    ]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

    static func text(of moment: Timestamp, format: String) -> String {
        let iso = Array(moment.iso8601)
        var result = ""
        var rest = format[...]
        while let character = rest.first {
            if character == "[", let end = rest.firstIndex(of: "]") {
                result += rest[rest.index(after: rest.startIndex)..<end]
                rest = rest[rest.index(after: end)...]
            } else if let token = tokens.first(where: { rest.hasPrefix($0) }) {
                result += value(of: token, iso, moment)
                rest = rest.dropFirst(token.count)
            } else {
                result.append(character)
                rest = rest.dropFirst()
            }
        }
        return result
    }

    private static func value(of token: String, _ iso: [Character], _ moment: Timestamp) -> String {
        func digits(_ range: Range<Int>) -> String { String(iso[range]) }
        func short(_ range: Range<Int>) -> String { String(Int(digits(range)) ?? 0) }
        switch token {
        case "YYYY": return digits(0..<4)
        case "YY": return digits(2..<4)
        case "MMM": return months[(Int(digits(5..<7)) ?? 1) - 1]
        case "MM": return digits(5..<7)
        case "M": return short(5..<7)
        case "DD": return digits(8..<10)
        case "D": return short(8..<10)
        case "HH": return digits(11..<13)
        case "H": return short(11..<13)
        case "mm": return digits(14..<16)
        case "m": return short(14..<16)
        case "ss": return digits(17..<19)
        case "s": return short(17..<19)
        case "SSS": return digits(20..<23)
        case "ddd":
            let day = (moment.unixSeconds - ((moment.unixSeconds % 86_400) + 86_400) % 86_400) / 86_400
            return days[Int(((day + 4) % 7 + 7) % 7)]
        case "ZZ": return "+0000"
        case "Z": return "+00:00"
        case "X": return String(moment.unixSeconds)
        default: return String(moment.microseconds / 1000)
        }
    }

    /// Reads the date of an HTTP header: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
    static func httpDate(_ text: String) -> Timestamp? {
        let words = text.split(separator: " ")
        guard words.count == 6, words[5] == "GMT", let month = months.firstIndex(of: String(words[2])) else {
            return nil
        }
        let day = words[1].count == 1 ? "0\(words[1])" : String(words[1])
        let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        return Timestamp(iso8601: "\(words[3])-\(number)-\(day)T\(words[4])Z")
    }
}
