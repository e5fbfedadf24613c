import TerapiCore

/// The sync of one kind of data.
struct PartnerSync {
    let answers: PartnerAnswers
    let type: PartnerAnswers.DataType
    let guess: ModelGuess

    var event: PartnerAnswers.Event? { answers.push?.events.first { $0.type == type.name } }

    /// Where an event brings the whole record. One that lacks a part of it would take from what is stored.
    var appliedRecord: String? {
        guard let event, let place = event.record, let found = event.example?.value(at: place) else { return nil }
        let item = found.array?.first ?? found
        return guess.fields.allSatisfy { reads(from: item, $0) } ? place : nil
    }

    private func reads(from item: JSONValue, _ field: ModelGuess.Field) -> Bool {
        if let from = field.from { return item.value(at: from) != nil }
        // What a person wrote is not understood, but the members that it names are seen.
        return field.expression.matches(of: #/\bitem\??\.([A-Za-z_]\w*)/#).allSatisfy {
            item[String($0.output.1)] != nil
        }
    }

    var text: String {
        var lines = YAMLText.comment(
            "Made by terapi partner init. What is marked as a guess was read out of one example: compare it with the "
                + "documents of \(answers.displayName), then delete the mark.")
        lines += [
            "description: \(YAMLText.value("\(type.name) of \(answers.displayName)"))", "model: \(type.model.name)",
            "version: 1.0.0", "frequency: \(YAMLText.value(type.frequency))",
        ]
        lines += request + history + mapping + webhook
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: The request

    private static let since = "${checkpoint.since}"
    private static let until = "${backfill.until}"
    private static let user = "${metadata.user_id}"

    /// Values by where they stand.
    private var parts: [(place: PartnerAnswers.Place, name: String, value: String)] {
        var parts: [(place: PartnerAnswers.Place, name: String, value: String)] = []
        if let user = type.user { parts.append((user, "user", Self.user)) }
        if let range = type.range {
            parts.append((range.start, "start", Self.since))
            if let end = range.end { parts.append((end, "end", Self.until)) }
        }
        return parts
    }

    private var request: [String] {
        var endpoint = type.endpoint
        var params: [String] = []
        var headers: [String] = []
        for (place, name, value) in parts {
            switch place {
            case .path: endpoint = endpoint.replacing("{\(name)}", with: value)
            case .query(let key): params.append("    \(YAMLText.value(key)): \"\(value)\"")
            case .header(let key): headers.append("    \(key): \"\(value)\"")
            case .bearer: headers.append("    authorization: \"Bearer \(value)\"")
            }
        }
        var lines = ["request:", "  endpoint: \(YAMLText.value(endpoint))"]
        if !params.isEmpty { lines += ["  params:"] + params }
        if !headers.isEmpty { lines += ["  headers:"] + headers }
        if let paging = type.paging {
            let members = paging.members.map { "\($0.name): \($0.value.text())" }
            lines.append("  paginate: { \(members.joined(separator: ", ")) }")
        }
        if !type.items.isEmpty {
            if type.itemsAreGuessed { lines.append("  # guess: the list in the example") }
            lines.append("  response_path: \(YAMLText.value(type.items))")
        }
        return lines
    }

    // MARK: The history

    private var history: [String] {
        guard let range = type.range else { return [] }
        var backfill = "days: \(answers.backfillDays)"
        if range.end != nil { backfill += ", window: \(answers.windowDays) days" }
        backfill += ", as: \(range.format)"
        if range.end != nil { backfill += ", until: always" }
        return ["backfill: { \(backfill) }", "checkpoint:"] + place(range)
            + ["  # What comes late is read again.", "  overlap: 7 days"]
    }

    /// Up to where was read, in the form in which the next request says it.
    private func place(_ range: PartnerAnswers.Range) -> [String] {
        if let time = type.time {
            return ["  since: \(YAMLText.expression(time.contains("(") ? time : "max(\(time))"))"]
        }
        let field = ["local_date", "start_at", "measured_at", "starts_at", "source_updated_at"].lazy
            .compactMap { name in guess.fields.first { $0.field == name && $0.from != nil } }.first
        guard let field, let from = field.from else {
            let mark = YAMLText.comment("guess: no time was found in a record, so it is the time of the run", indent: 2)
            return mark + ["  since: \(YAMLText.expression(written("Date.now()", range, isSure: true)))"]
        }
        let value = ExampleField.expression("item", from.split(separator: ".").map(String.init))
        return YAMLText.comment("guess: a range goes by \"\(from)\"", indent: 2)
            + ["  since: \(YAMLText.expression("max(\(written(value, range, isSure: false)))"))"]
    }

    private func written(_ value: String, _ range: PartnerAnswers.Range, isSure: Bool) -> String {
        let instant = "Date.parse(dateTime(\(value)))"
        func known(_ text: String) -> String { isSure ? text : "\(value) ? \(text) : undefined" }
        return switch range.format {
        case "date": "localDate(\(value))"
        case "unix": known("Math.floor(\(instant) / 1000)")
        case "unix_ms": known(instant)
        default: "dateTime(\(value))"
        }
    }

    // MARK: The mapping

    private var mapping: [String] {
        var lines = ["map:"]
        for field in guess.fields {
            if let from = field.from {
                lines += YAMLText.comment(
                    "guess: from \"\(from)\" (example \(field.example)), \(field.because)", indent: 2)
            }
            lines.append("  \(field.field): \(YAMLText.expression(field.expression))")
        }
        for name in guess.missing {
            lines += YAMLText.comment(
                "REQUIRED by the model and not found in the example: \(name). Add it; until then each run warns of it.",
                indent: 2)
        }
        for one in guess.leftOut {
            lines += YAMLText.comment(
                "left out: \(one.field) from \"\(one.from)\" (example \(one.example)): \(one.because)", indent: 2)
        }
        if !guess.unmapped.isEmpty {
            lines += YAMLText.comment("not mapped: \(guess.unmapped.joined(separator: ", "))", indent: 2)
        }
        return lines
    }

    // MARK: Events

    private var webhook: [String] {
        guard let event, let push = answers.push, let record = appliedRecord else { return [] }
        let mark = event.namesAreGuessed ? ["  # guess: as in the example"] : []
        let value = ExampleField.expression("event", record.split(separator: ".").map(String.init))
        return ["webhook:"] + mark + ["  events: \(YAMLText.list(event.names))"]
            + YAMLText.comment("The event brings the record itself.", indent: 2) + [
                "  apply: \(YAMLText.expression(value))"
            ]
            + [
                "  # How often to read while \(answers.displayName) pushes.",
                "  safety_frequency: \(YAMLText.value(push.safetyFrequency))",
            ]
    }
}
