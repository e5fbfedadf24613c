import TerapiCore
import Yams

extension SyncFileReader {
    private static let requestKeys = [
        "method", "endpoint", "params", "headers", "data", "paginate", "retries", "response_path",
    ]
    private static let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]

    /// Short names, and the names that provider files use.
    private static let paginationNames = [
        "type": "type",
        "limit": "limit",
        "limit_name": "limit_name_in_request",
        "limit_name_in_request": "limit_name_in_request",
        "response_path": "response_path",
        "in_body": "in_body",
        "rel": "link_rel_in_response_header",
        "link_rel_in_response_header": "link_rel_in_response_header",
        "header": "link_in_response_header",
        "link_in_response_header": "link_in_response_header",
        "link_path": "link_path_in_response_body",
        "link_path_in_response_body": "link_path_in_response_body",
        "cursor_path": "cursor_path_in_response",
        "cursor_path_in_response": "cursor_path_in_response",
        "cursor_name": "cursor_name_in_request",
        "cursor_name_in_request": "cursor_name_in_request",
        "offset_name": "offset_name_in_request",
        "offset_name_in_request": "offset_name_in_request",
        "page_name": "offset_name_in_request",
        "start": "offset_start_value",
        "offset_start_value": "offset_start_value",
        "offset_calculation_method": "offset_calculation_method",
    ]

    mutating func readRequest(_ node: Node, needsEndpoint: Bool = true) {
        var request: JSONObject = ["method": "GET", "retries": 3]
        let members = yaml.members(node, of: "request", allowed: Self.requestKeys)
        for (key, value) in members {
            let name = key.string ?? ""
            switch name {
            case "method":
                request[name] = yaml.choice(value, of: "request.method", among: Self.methods).map(JSONValue.string)
            case "endpoint": request[name] = template(value, of: "request.endpoint").map(JSONValue.string)
            case "params", "headers": request[name] = texts(value, of: "request.\(name)")
            case "data": request[name] = data(value)
            case "retries": request[name] = yaml.integer(value, of: "request.retries", in: 0...10).map { JSONValue($0) }
            case "response_path": request[name] = yaml.text(value, of: "request.response_path").map(JSONValue.string)
            case "paginate": request[name] = pagination(value)
            default: break
            }
        }
        if needsEndpoint, !members.contains(where: { $0.key.string == "endpoint" }) {
            yaml.add("expected the key \"endpoint\" in request, which is missing", at: node)
        }
        // One place is enough, and both are natural.
        if var pagination = request["paginate"]?.object, let path = request["response_path"] {
            pagination["response_path"] = pagination["response_path"] ?? path
            request["paginate"] = .object(pagination)
        }
        spec["request"] = .object(request)
    }

    private mutating func pagination(_ node: Node) -> JSONValue? {
        if node.scalar?.string == "provider" { return [:] }
        guard node.mapping != nil else {
            yaml.add(
                "expected request.paginate to be a mapping, or \"provider\" for the way that the provider's file names, "
                    + "found \(yaml.kind(node))",
                at: node
            )
            return nil
        }
        var rule: JSONObject = [:]
        for (key, value) in yaml.members(node, of: "request.paginate", allowed: Self.paginationNames.keys.sorted()) {
            guard let name = key.string.flatMap({ Self.paginationNames[$0] }) else { continue }
            switch name {
            case "type":
                rule[name] = yaml.choice(
                    value,
                    of: "request.paginate.type",
                    among: ["link", "cursor", "offset", "page"]
                ).map(JSONValue.string)
            case "limit":
                rule[name] = yaml.integer(value, of: "request.paginate.limit", in: 1...100_000).map { JSONValue($0) }
            case "offset_start_value":
                rule[name] = yaml.integer(value, of: "request.paginate.\(key.string ?? "")", in: 0...1_000_000)
                    .map { JSONValue($0) }
            case "in_body": rule[name] = yaml.bool(value, of: "request.paginate.in_body").map(JSONValue.bool)
            case "offset_calculation_method":
                rule[name] = yaml.choice(
                    value,
                    of: "request.paginate.offset_calculation_method",
                    among: ["per-page", "by-response-size"]
                ).map(JSONValue.string)
            default: rule[name] = yaml.text(value, of: "request.paginate.\(key.string ?? "")").map(JSONValue.string)
            }
        }
        if rule["type"] == "page" {
            let pages: JSONObject = [
                "type": "offset", "offset_calculation_method": "per-page",
                "offset_name_in_request": rule["offset_name_in_request"] ?? "page",
                "offset_start_value": rule["offset_start_value"] ?? 1,
            ]
            rule = rule.merging(pages)
        }
        return .object(rule)
    }

    mutating func readBackfill(_ node: Node) {
        var backfill: JSONObject = [:]
        for (key, value) in yaml.members(node, of: "backfill", allowed: ["days", "window", "as", "until"]) {
            switch key.string {
            case "days":
                backfill["days"] = yaml.integer(value, of: "backfill.days", in: 1...36_500).map { JSONValue($0) }
            case "window": backfill["window"] = time(value, of: "backfill.window", in: 1...10_000)
            case "until":
                backfill["until"] = yaml.choice(value, of: "backfill.until", among: ["history", "always"])
                    .map(JSONValue.string)
            default:
                backfill["as"] = yaml.choice(value, of: "backfill.as", among: ["iso", "date", "unix", "unix_ms"])
                    .map(JSONValue.string)
            }
        }
        if node.mapping != nil, node.mapping?["days"] == nil {
            yaml.add("expected the key \"days\" in backfill, which is missing", at: node)
        }
        spec["backfill"] = .object(backfill)
    }

    mutating func readCheckpoint(_ node: Node) {
        var fields: JSONObject = [:]
        var checkpoint: JSONObject = ["order": "none"]
        for (key, value) in yaml.members(node, of: "checkpoint", allowed: nil) {
            guard let name = key.string else { continue }
            switch name {
            case "order":
                checkpoint["order"] = yaml.choice(value, of: "checkpoint.order", among: ["none", "ascending"])
                    .map(JSONValue.string)
            case "overlap": checkpoint["overlap"] = time(value, of: "checkpoint.overlap", in: 0...10_000)
            default:
                fields[name] = expression(value, of: "checkpoint.\(name)").map(JSONValue.string)
                checkpointNames.append(name)
            }
        }
        if node.mapping != nil, checkpointNames.isEmpty {
            yaml.add(
                "expected checkpoint to name at least one value, for example since: max(item.updated_at)", at: node)
        }
        checkpoint["fields"] = .object(fields)
        spec["checkpoint"] = .object(checkpoint)
    }

    /// In milliseconds.
    private mutating func time(_ node: Node, of name: String, in counts: ClosedRange<Int>) -> JSONValue? {
        guard let text = yaml.text(node, of: name) else { return nil }
        let words = text.split(separator: " ")
        let units = ["second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000]
        guard words.count == 2, let count = Int(words[0]), counts.contains(count),
            let unit = units[words[1].hasSuffix("s") ? String(words[1].dropLast()) : String(words[1])]
        else {
            yaml.add(
                "expected \(name) to be a time such as \"1 second\" or \"2 hours\", found \"\(text)\"",
                at: node)
            return nil
        }
        return JSONValue(count * unit)
    }

    /// Parameters and headers: always text, as it was written.
    private mutating func texts(_ node: Node, of name: String) -> JSONValue {
        var texts: JSONObject = [:]
        for (key, value) in yaml.members(node, of: name, allowed: nil) {
            guard let key = key.string else { continue }
            if let list = value.sequence {
                texts[key] = .array(
                    list.compactMap { template($0, of: "each of \(name).\(key)") }.map(JSONValue.string))
            } else {
                texts[key] = template(value, of: "\(name).\(key)").map(JSONValue.string)
            }
        }
        return .object(texts)
    }

    /// A body's value, typed as YAML reads it.
    private mutating func data(_ node: Node) -> JSONValue? {
        switch node {
        case .mapping:
            var object: JSONObject = [:]
            for (key, value) in yaml.members(node, of: "request.data", allowed: nil) {
                if let key = key.string { object[key] = data(value) }
            }
            return .object(object)
        case .sequence(let list):
            var values: [JSONValue] = []
            for member in list { if let value = data(member) { values.append(value) } }
            return .array(values)
        default:
            if let value = yaml.plain(node) { return value }
            return template(node, of: "a value in request.data").map(JSONValue.string)
        }
    }

    /// Text in which `${…}` stands for a value of the connection or the checkpoint.
    private mutating func template(_ node: Node, of name: String) -> String? {
        guard let text = yaml.text(node, of: name) else { return nil }
        var rest = text[...]
        while let start = rest.range(of: "${") {
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else {
                yaml.add("expected \"}\" after \"${\" in \(name)", at: node)
                return nil
            }
            let path = rest[start.upperBound..<end].split(separator: ".", omittingEmptySubsequences: false)
            check(path.map { $0.trimmingSpaces }, in: name, at: node)
            rest = rest[rest.index(after: end)...]
        }
        return text
    }

    private mutating func check(_ path: [String], in name: String, at node: Node) {
        let written = "${\(path.joined(separator: "."))}"
        switch path.first {
        case "checkpoint" where path.count == 2:
            guard !checkpointNames.contains(path[1]) else { return }
            let known = checkpointNames.isEmpty ? "the file has no checkpoint" : checkpointNames.joined(separator: ", ")
            yaml.add("expected a value that checkpoint names (\(known)) in \(name), found \(written)", at: node)
        case "event" where readsEvent && path.count > 1, "webhook" where readsEvent && path.count > 1: break
        case "backfill" where path == ["backfill", "until"]: usesWindow = true
        case "metadata" where path.count > 1, "connection" where path.count > 1,
            "connectionConfig" where path.count > 1:
            break
        default:
            yaml.add(
                "expected ${checkpoint.…}, ${metadata.…}, ${connectionConfig.…} or ${connection.…} in \(name), "
                    + "found \(written)",
                at: node
            )
        }
    }
}

extension Substring {
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }

    fileprivate func range(of mark: String) -> Range<Index>? {
        firstRange(of: mark)
    }
}
