public import TerapiCore

extension PartnerAnswers {
    /// Reads and checks the answers.
    /// - Parameters:
    ///   - json: as docs/partners.md describes it.
    ///   - file: the text of an example's file.
    /// - Throws: `TerapiError(.invalidConfiguration)` with an issue for each mistake, at its place.
    public init(_ json: JSONValue, file: @escaping (String) throws -> [UInt8]) throws {
        var reader = PartnerAnswersReader(file: file)
        let answers = reader.read(json)
        guard let answers, reader.issues.isEmpty else {
            throw TerapiError(
                .invalidConfiguration,
                reader.issues.count == 1
                    ? "An answer is missing or wrong." : "\(reader.issues.count) answers are missing or wrong.",
                issues: reader.issues)
        }
        self = answers
    }

    /// Answers in a file: YAML, of which JSON is a part.
    /// - Throws: `TerapiError(.invalidDefinition)` that names line and column.
    public static func json(_ text: String, file: String) throws -> JSONValue {
        var yaml = YAMLReader(file: file)
        let node = yaml.compose(text)
        guard let node, yaml.mistakes.isEmpty else { throw SyncFile.error(yaml.mistakes) }
        return yaml.json(node)
    }
}

/// Takes the answers apart and remembers everything that is wrong with them.
struct PartnerAnswersReader {
    let file: (String) throws -> [UInt8]
    private(set) var issues: [TerapiError.Issue] = []

    init(file: @escaping (String) throws -> [UInt8]) {
        self.file = file
    }

    mutating func add(_ path: [String], _ message: String) {
        issues.append(TerapiError.Issue(code: "invalid_answer", message: message, path: path))
    }

    mutating func read(_ json: JSONValue) -> PartnerAnswers? {
        check(
            json, [],
            [
                "name", "display_name", "docs", "auth", "base_url", "user_id", "user", "range", "paging", "backfill",
                "frequency",
                "data_types", "push",
            ])
        let name = text(json, ["name"], "the integration's name, such as acme") ?? ""
        if !name.isEmpty, name.wholeMatch(of: #/[a-z0-9][a-z0-9_-]{0,99}/#) == nil {
            add(
                ["name"],
                "\"\(name)\" cannot be a name: small letters, digits, \"-\" and \"_\", a letter or digit first.")
        }
        let base = url(json, ["base_url"], "the address of the API, such as https://api.acme.example")
        let authorization = authorization(json)
        let userID = userID(json)
        let range = json["range"].flatMap { self.range($0, ["range"]) }
        let user = json["user"].flatMap { place($0, ["user"]) }
        let paging = json["paging"].flatMap { self.paging($0, ["paging"]) }
        let defaults = TypeDefaults(
            range: range, user: user, paging: paging, frequency: optional(json, ["frequency"]) ?? "every hour",
            knowsUser: userID != nil)
        var types: [PartnerAnswers.DataType] = []
        let named = json["data_types"]?.object?.members ?? []
        if named.isEmpty {
            add(["data_types"], "Name at least one kind of data: its endpoint, and an example of an answer.")
        }
        for (name, value) in named {
            if let type = dataType(name, value, defaults) { types.append(type) }
        }
        for models in Dictionary(grouping: types, by: \.model.name).values where models.count > 1 {
            let names = models.map(\.name).sorted().joined(separator: " and ")
            add(
                ["data_types"],
                "\(names) would save the same model \(models[0].model.name). Leave one for a second partner init.")
        }
        let days = whole(json, ["backfill", "days"], in: 1...36_500, or: 365)
        let window = whole(json, ["backfill", "window_days"], in: 1...3650, or: min(30, days))
        if let backfill = json["backfill"] { check(backfill, ["backfill"], ["days", "window_days"]) }
        let push = json["push"].flatMap { $0.isNull ? nil : self.push($0, types, userID) }
        guard issues.isEmpty, let base, let authorization else { return nil }
        return PartnerAnswers(
            name: name, displayName: optional(json, ["display_name"]) ?? name.prefix(1).uppercased() + name.dropFirst(),
            docs: optional(json, ["docs"]) ?? base, authorization: authorization, baseURL: base, userID: userID,
            types: types, backfillDays: days, windowDays: window, push: push)
    }

    // MARK: Who may

    private mutating func authorization(_ json: JSONValue) -> PartnerAnswers.Authorization? {
        guard let auth = json["auth"]?.object.map({ _ in json["auth"] ?? .null }) else {
            add(
                ["auth"],
                "Give authorization_url and token_url of OAuth 2, or api_key: header:NAME, query:NAME or bearer.")
            return nil
        }
        check(
            auth, ["auth"],
            [
                "authorization_url", "token_url", "refresh_url", "scopes", "pkce", "client_in", "api_key",
            ])
        if let key = auth["api_key"] {
            guard let place = place(key, ["auth", "api_key"]) else { return nil }
            if place == .path {
                add(["auth", "api_key"], "A key stands in a header or the query: header:NAME, query:NAME or bearer.")
            }
            if auth["authorization_url"] != nil || auth["token_url"] != nil {
                add(["auth"], "It is either an API key or OAuth 2: leave api_key out, or the two URLs.")
            }
            return .apiKey(place)
        }
        let begin = url(json, ["auth", "authorization_url"], "where a person allows the access")
        let token = url(json, ["auth", "token_url"], "where tokens are got")
        let refresh = auth["refresh_url"] == nil ? nil : url(json, ["auth", "refresh_url"], "where tokens are renewed")
        let scopes = auth["scopes"].map { $0.array?.compactMap(\.string) ?? $0.string.map { [$0] } ?? [] } ?? []
        let client = optional(json, ["auth", "client_in"]) ?? "body"
        if !["body", "header"].contains(client) { add(["auth", "client_in"], "Expected body or header.") }
        guard let begin, let token else { return nil }
        return .oauth2(
            PartnerAnswers.OAuth2(
                authorizationURL: begin, tokenURL: token, refreshURL: refresh, scopes: scopes,
                usesPKCE: auth["pkce"]?.bool ?? true, usesBasic: client == "header"))
    }

    private mutating func userID(_ json: JSONValue) -> PartnerAnswers.UserID? {
        guard let answer = json["user_id"], !answer.isNull else { return nil }
        check(answer, ["user_id"], ["token", "endpoint", "path"])
        if let path = answer["token"]?.string {
            guard json["auth"]?["api_key"] == nil else {
                add(
                    ["user_id", "token"],
                    "With an API key there is no token answer: give user_id.endpoint and user_id.path.")
                return nil
            }
            return checkedPath(path, ["user_id", "token"]).map { .token(path: $0) }
        }
        let endpoint = text(
            json, ["user_id", "endpoint"], "the path that says who it is, such as /me, or user_id.token")
        let path = text(json, ["user_id", "path"], "where the id is in that answer, such as data.id")
        guard let endpoint, let path else { return nil }
        if !endpoint.hasPrefix("/") {
            add(["user_id", "endpoint"], "Expected a path of the API that begins with \"/\".")
        }
        return checkedPath(path, ["user_id", "path"]).map { .request(endpoint: endpoint, path: $0) }
    }

    // MARK: Parts of requests

    mutating func range(_ json: JSONValue, _ path: [String]) -> PartnerAnswers.Range? {
        check(json, path, ["start", "end", "format"])
        let formats = ["date": "date", "iso": "iso", "seconds": "unix", "milliseconds": "unix_ms"]
        let format = json["format"]?.string ?? "iso"
        guard let format = formats[format] else {
            add(path + ["format"], "Expected date, iso, seconds or milliseconds, found \"\(format)\".")
            return nil
        }
        guard let start = json["start"] else {
            add(
                path + ["start"],
                "Say how a range begins: query:from, header:NAME, or path for {start} in the endpoint.")
            return nil
        }
        guard let start = place(start, path + ["start"]) else { return nil }
        let end = json["end"].flatMap { place($0, path + ["end"]) }
        return PartnerAnswers.Range(format: format, start: start, end: end)
    }

    /// `query:from`, `header:X-From`, `path` or `bearer`; a bare name is one of the query.
    mutating func place(_ json: JSONValue, _ path: [String]) -> PartnerAnswers.Place? {
        guard let text = json.string, !text.isEmpty else {
            add(path, "Expected query:NAME, header:NAME or path, found \(json.kind).")
            return nil
        }
        if text == "path" { return .path }
        if text == "bearer" { return .bearer }
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        let (kind, name) = parts.count == 2 ? (parts[0], parts[1]) : ("query", text)
        let isName = name.wholeMatch(of: kind == "header" ? #/[A-Za-z0-9-]+/# : #/[^\s&=#?]+/#) != nil
        switch (kind, isName) {
        case ("query", true): return .query(name)
        case ("header", true): return .header(name)
        default:
            add(path, "Expected query:NAME, header:NAME or path, found \"\(text)\".")
            return nil
        }
    }

    mutating func paging(_ json: JSONValue, _ path: [String]) -> JSONObject? {
        guard let object = json.object, let type = object["type"]?.string else {
            add(path, "Expected type: cursor, offset, page or link, and the names that go with it.")
            return nil
        }
        let needed = [
            "cursor": ["cursor_path", "cursor_name"], "offset": ["offset_name"], "page": ["page_name"], "link": [],
        ]
        guard let names = needed[type] else {
            add(path + ["type"], "Expected cursor, offset, page or link, found \"\(type)\".")
            return nil
        }
        check(
            json, path,
            ["type", "limit", "limit_name", "start"] + names + (type == "link" ? ["rel", "link_path"] : []))
        for name in names where object[name]?.string?.isEmpty != false {
            add(path + [name], "Paging by \(type) needs \(name).")
        }
        if type == "link", object["rel"] == nil, object["link_path"] == nil {
            add(path, "Paging by link needs rel (of the Link header) or link_path (in the answer).")
        }
        return object
    }
}
