import TerapiCore

extension PartnerAnswersReader {
    mutating func push(
        _ json: JSONValue, _ types: [PartnerAnswers.DataType], _ userID: PartnerAnswers.UserID?
    ) -> PartnerAnswers.Push? {
        let path = ["push"]
        check(json, path, ["signature", "user", "type", "id", "events", "safety_frequency"])
        if userID == nil {
            add(["user_id"], "Events are routed by the user's id: say where a connection learns it.")
        }
        let signature = signature(json["signature"] ?? .null, path + ["signature"])
        let user = json["user"]?.string.flatMap { checkedPath($0, path + ["user"]) }
        if json["user"]?.string == nil {
            add(path + ["user"], "Say which field of an event names the user, such as user.id.")
        }
        let type = json["type"]?.string.flatMap { checkedPath($0, path + ["type"]) }
        let id = json["id"]?.string.flatMap { checkedPath($0, path + ["id"]) }
        var events: [PartnerAnswers.Event] = []
        let named = json["events"]?.object?.members ?? []
        if named.isEmpty {
            add(path + ["events"], "Give an example of an event for at least one kind of data, by its name.")
        }
        for (name, value) in named {
            if let event = event(name, value, types, user: user, type: type, id: id) { events.append(event) }
        }
        if type == nil, events.count > 1 {
            add(path + ["type"], "With events of several kinds: say which field of an event tells its type.")
        }
        let safety = json["safety_frequency"]?.string ?? "every 6 hours"
        do { _ = try Frequency(safety) } catch {
            add(path + ["safety_frequency"], (error as? TerapiError)?.message ?? "Expected a frequency.")
        }
        guard let signature, let user else { return nil }
        return PartnerAnswers.Push(
            signature: signature, user: user, type: type, id: id, events: events, safetyFrequency: safety)
    }

    private mutating func signature(_ json: JSONValue, _ path: [String]) -> PartnerAnswers.Signature? {
        guard json.object != nil else {
            add(path, "Say how events are signed: scheme (hmac-sha256, hmac-sha1, hmac-sha512 or token) and header.")
            return nil
        }
        check(json, path, ["scheme", "header", "prefix", "encoding", "time_header"])
        let schemes = ["hmac-sha256": "sha256", "hmac-sha1": "sha1", "hmac-sha512": "sha512", "token": ""]
        let scheme = json["scheme"]?.string ?? ""
        guard let digest = schemes[scheme] else {
            add(path + ["scheme"], "Expected hmac-sha256, hmac-sha1, hmac-sha512 or token, found \"\(scheme)\".")
            return nil
        }
        guard let header = json["header"]?.string, header.wholeMatch(of: #/[A-Za-z0-9-]+/#) != nil else {
            add(path + ["header"], "Expected the name of the header with the signature, such as X-Acme-Signature.")
            return nil
        }
        let encoding = json["encoding"]?.string ?? "hex"
        if !["hex", "base64"].contains(encoding) {
            add(path + ["encoding"], "Expected hex or base64, found \"\(encoding)\".")
        }
        let time = json["time_header"]?.string
        if let time, time.wholeMatch(of: #/[A-Za-z0-9-]+/#) == nil {
            add(path + ["time_header"], "Expected a header's name.")
        }
        return PartnerAnswers.Signature(
            header: header.lowercased(), digest: digest.isEmpty ? nil : digest, prefix: json["prefix"]?.string ?? "",
            encoding: encoding, timeHeader: time?.lowercased())
    }

    private mutating func event(
        _ name: String, _ json: JSONValue, _ types: [PartnerAnswers.DataType], user: String?, type: String?, id: String?
    ) -> PartnerAnswers.Event? {
        let path = ["push", "events", name]
        check(json, path, ["name", "example", "record"])
        guard let dataType = types.first(where: { $0.name == name }) else {
            add(
                path, "There is no kind of data with this name. There are \(types.map(\.name).joined(separator: ", "))."
            )
            return nil
        }
        let example = json["example"].flatMap { $0.isNull ? nil : self.example($0, path + ["example"]) }
        for (what, place) in [("user", user), ("type", type), ("id", id)] {
            guard let example, let place, example.value(at: place) == nil else { continue }
            add(["push", what], "The event of \(name) has nothing at \"\(place)\".")
        }
        if example == nil, json["name"] == nil {
            add(path, "Give an example of the event, or the name by which it is known.")
        }
        var names = json["name"].map { $0.array?.compactMap(\.string) ?? $0.string.map { [$0] } ?? [] } ?? []
        let isGuessed = names.isEmpty
        if isGuessed { names = [type.flatMap { example?.value(at: $0)?.string } ?? "*"] }
        let record = record(json, example, dataType, path)
        return PartnerAnswers.Event(
            type: name, names: names, namesAreGuessed: isGuessed, example: example, record: record)
    }

    /// Where the event holds a record of the same form as the ones in the list.
    private mutating func record(
        _ json: JSONValue, _ example: JSONValue?, _ type: PartnerAnswers.DataType, _ path: [String]
    ) -> String? {
        if json["record"]?.bool == false { return nil }
        guard let wanted = json["record"]?.string else {
            return example.flatMap { Self.place(like: type.item, in: $0) }
        }
        let found = example?.value(at: wanted)
        let item = found?.array?.first ?? found
        guard let item, item.object != nil else {
            add(path + ["record"], "The event has no record at \"\(wanted)\". If it brings none, say record: false.")
            return nil
        }
        return wanted
    }

    /// The place of an object with the same members; half of them are too few.
    private static func place(like item: JSONValue, in event: JSONValue) -> String? {
        let names = Set(item.object?.names ?? [])
        func places(_ value: JSONValue, _ path: [String]) -> [[String]] {
            let inner = value.array?.first ?? value
            guard let object = inner.object, path.count < 4 else { return [] }
            if !path.isEmpty, names.intersection(object.names).count * 5 >= names.count * 4 { return [path] }
            return value.array == nil ? object.members.flatMap { places($0.value, path + [$0.name]) } : []
        }
        let found = places(event, [])
        return found.count == 1 ? found[0].joined(separator: ".") : nil
    }
}
