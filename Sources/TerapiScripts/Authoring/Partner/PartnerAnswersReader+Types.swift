import TerapiCore

/// What holds for all kinds of data that do not say otherwise.
struct TypeDefaults {
    var range: PartnerAnswers.Range?
    var user: PartnerAnswers.Place?
    var paging: JSONObject?
    var frequency: String
    var knowsUser: Bool
}

extension PartnerAnswersReader {
    mutating func dataType(_ name: String, _ json: JSONValue, _ defaults: TypeDefaults) -> PartnerAnswers.DataType? {
        let path = ["data_types", name]
        check(
            json, path,
            [
                "model", "endpoint", "example", "items", "range", "user", "paging", "frequency", "map", "time",
            ])
        if name.wholeMatch(of: #/[a-z0-9][a-z0-9_-]{0,99}/#) == nil {
            add(path, "\"\(name)\" cannot be the name of a sync: small letters, digits, \"-\" and \"_\".")
        }
        if name == "user-id" { add(path, "user-id is the script that keeps who connected. Choose another name.") }
        let model = model(name, json, path)
        let endpoint = text(json, ["endpoint"], "the path of the API, such as /v1/\(name)", at: path)
        let example = example(json["example"], path + ["example"])
        let range = json["range"].map { $0.isNull ? nil : self.range($0, path + ["range"]) } ?? defaults.range
        let user = json["user"].map { $0.isNull ? nil : place($0, path + ["user"]) } ?? defaults.user
        let paging = json["paging"].map { $0.isNull ? nil : self.paging($0, path + ["paging"]) } ?? defaults.paging
        if let endpoint { checkPlaceholders(endpoint, range, user, path + ["endpoint"]) }
        if user != nil, !defaults.knowsUser {
            add(path + ["user"], "Requests name the user: say in user_id where the id is found.")
        }
        let frequency = optional(json, ["frequency"], at: path) ?? defaults.frequency
        do { _ = try Frequency(frequency) } catch {
            add(path + ["frequency"], (error as? TerapiError)?.message ?? "Expected a frequency such as every hour.")
        }
        let map = (json["map"]?.object?.members ?? []).compactMap {
            field, value -> (name: String, expression: String)? in
            guard let expression = value.string, !expression.isEmpty else { return nil }
            return (field, expression)
        }
        guard let model, let endpoint, let example else { return nil }
        for (field, _) in map where model.document["properties"]?[field] == nil {
            add(
                path + ["map", field],
                "The model \(model.name) has no member of this name: terapi models \(model.name) shows all.")
        }
        guard let items = items(of: name, json, example, path) else { return nil }
        return PartnerAnswers.DataType(
            name: name, model: model, endpoint: endpoint, example: example, items: items.path,
            itemsAreGuessed: items.isGuessed, range: range, user: user, paging: paging, frequency: frequency, map: map,
            time: optional(json, ["time"], at: path))
    }

    private static let otherNames = [
        "activity": [
            "activities", "workout", "workouts", "exercise", "exercises", "training", "trainings", "run", "runs",
        ],
        "sleep": ["sleeps", "night", "nights"],
        "daily": ["day", "days", "dailies", "summary", "summaries", "steps", "daily_summary"],
        "body": ["weight", "measurement", "measurements", "bodies", "vitals"],
        "ticket": ["tickets", "issue", "issues", "task", "tasks"], "comment": ["comments"],
        "contact": ["contacts", "people", "customers"], "company": ["companies", "accounts", "organizations"],
        "file": ["files", "documents"], "calendar_event": ["events", "event", "meetings", "appointments"],
    ]

    private mutating func model(_ name: String, _ json: JSONValue, _ path: [String]) -> StandardModel? {
        let all = StandardModel.all.map(\.name).joined(separator: ", ")
        if let wanted = json["model"]?.string {
            if let model = StandardModel.named(wanted) { return model }
            add(path + ["model"], "There is no standard model \"\(wanted)\". There are \(all).")
            return nil
        }
        let found =
            StandardModel.named(name)
            ?? Self.otherNames.first { $0.value.contains(name) }.flatMap {
                StandardModel.named($0.key)
            }
        if found == nil { add(path + ["model"], "Name the standard model that \(name) becomes: \(all).") }
        return found
    }

    private mutating func text(_ json: JSONValue, _ name: [String], _ what: String, at path: [String]) -> String? {
        if let text = json[name[0]]?.string, !text.isEmpty { return text }
        add(path + name, "Expected \(what).")
        return nil
    }

    private mutating func optional(_ json: JSONValue, _ name: [String], at path: [String]) -> String? {
        guard let value = json[name[0]], !value.isNull else { return nil }
        if let text = value.string, !text.isEmpty { return text }
        add(path + name, "Expected text, found \(value.kind).")
        return nil
    }

    /// A JSON document: the name of its file, or itself.
    mutating func example(_ json: JSONValue?, _ path: [String]) -> JSONValue? {
        guard let json, !json.isNull else {
            add(path, "Expected the JSON file with an example, or the example itself.")
            return nil
        }
        guard let name = json.string else { return json }
        do {
            return try JSONReader.read(try file(name))
        } catch let failure as JSONReader.Failure {
            add(path, "\(name) is not JSON: \(failure).")
        } catch {
            add(path, "\(name) cannot be read. Name a JSON file that is there.")
        }
        return nil
    }

    private mutating func checkPlaceholders(
        _ endpoint: String, _ range: PartnerAnswers.Range?, _ user: PartnerAnswers.Place?, _ path: [String]
    ) {
        if endpoint.wholeMatch(of: #/\/[^\s?#"']*/#) == nil {
            add(path, "Expected a path that begins with \"/\", without query or spaces, found \"\(endpoint)\".")
        }
        let found = endpoint.matches(of: #/\{([^}]*)\}/#).map { String($0.output.1) }
        var wanted: [String] = []
        if user == .path { wanted.append("user") }
        if range?.start == .path { wanted.append("start") }
        if range?.end == .path { wanted.append("end") }
        for name in found where !wanted.contains(name) {
            add(
                path,
                "{\(name)} stands for nothing: {user}, {start} and {end} do, where user or the range is in the path."
            )
        }
        for name in wanted where !found.contains(name) {
            add(path, "Put {\(name)} where it belongs in the path: it is said to be there.")
        }
    }

    private mutating func items(
        of name: String, _ json: JSONValue, _ example: JSONValue, _ path: [String]
    ) -> (path: String, isGuessed: Bool)? {
        if let wanted = json["items"]?.string {
            guard example.value(at: wanted)?.array?.first?.object != nil else {
                add(path + ["items"], "The example has no list of objects at \"\(wanted)\".")
                return nil
            }
            return (wanted, false)
        }
        if let list = example.array {
            guard list.first?.object != nil else {
                add(
                    path + ["example"],
                    "The example's list is empty, or not of objects: give an answer with at least one.")
                return nil
            }
            return ("", false)
        }
        let lists = Self.lists(in: example, [])
        let usual = ["data", "items", "results", "records", "list", "entries", name]
        let top = lists.filter { $0.count == lists.map(\.count).min() }
        let chosen = top.count == 1 ? top.first : top.filter { usual.contains($0.last ?? "") }.first
        guard let chosen else {
            let found = lists.map { $0.joined(separator: ".") }.joined(separator: ", ")
            add(
                path + ["items"],
                lists.isEmpty
                    ? "The example holds no list of objects: give an answer with at least one."
                    : "Say in items which list it is: \(found).")
            return nil
        }
        return (chosen.joined(separator: "."), true)
    }

    private static func lists(in value: JSONValue, _ path: [String]) -> [[String]] {
        guard path.count < 4 else { return [] }
        return (value.object?.members ?? []).flatMap { name, value -> [[String]] in
            if value.array?.first?.object != nil { return [path + [name]] }
            return lists(in: value, path + [name])
        }
    }
}
