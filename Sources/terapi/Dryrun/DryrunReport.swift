import TerapiCore

/// Why a dryrun failed, in the form of its document.
struct DryrunFailure {
    var type: String
    var message: String
    var payload: JSONValue?
    /// `issues.ts:42:17`.
    var location: String?
    /// All in one line, with the request that failed.
    var text: String

    init(_ error: any Error) {
        guard let error = error as? TerapiError else {
            type = "Error"
            message = "\(error)"
            text = message
            return
        }
        let issues = error.issues.map(\.message)
        text = ([error.message] + issues).joined(separator: "\n")
        if let thrown = error.payload, error.code == .scriptError, let type = thrown["type"]?.string {
            self.type = type
            message = thrown["message"]?.string ?? error.message
            payload = thrown["payload"]
            location = thrown["location"]?.string
        } else {
            type = error.code.rawValue
            message = issues.isEmpty ? error.message : issues.joined(separator: "\n")
            payload = error.payload
        }
    }

    var json: JSONValue {
        var json: JSONObject = ["type": .string(type), "message": .string(message)]
        json["payload"] = payload
        json["location"] = location.map(JSONValue.string)
        return .object(json)
    }
}

/// What a dryrun prints: for machines one document, for people a report.
struct DryrunReport {
    private static let shownRecords = 5
    private static let shownColumns = 5
    private static let columnWidth = 24

    let output: JSONValue
    let failure: DryrunFailure?
    let functions: DryrunFunctions
    let name: String
    let duration: Duration

    var document: JSONValue {
        let state = functions.state
        return [
            "output": output,
            "saved": state.changes[.save]?.json ?? [:],
            "updated": state.changes[.update]?.json ?? [:],
            "deleted": state.changes[.delete]?.json ?? [:],
            "tracked": .object(state.tracked),
            "checkpoint": state.checkpoint ?? .null,
            "metadata": state.metadata ?? .null,
            "logs": .array(state.logs),
            "error": failure?.json ?? .null,
        ]
    }

    var text: String {
        let state = functions.state
        var lines: [String] = []
        for (kind, title) in [(ScriptRecordChange.Kind.save, "saved"), (.update, "updated"), (.delete, "deleted")] {
            for model in state.changes[kind]?.models ?? [] {
                let records = state.changes[kind]?[model] ?? []
                lines += ["\(model): \(records.count) \(title)"] + Self.table(records) + [""]
            }
        }
        for (model, _) in state.tracked.members { lines += ["\(model): what was not read again is deleted", ""] }
        if !output.isNull { lines += ["output: \(output.text())", ""] }
        if let checkpoint = state.checkpoint { lines += ["checkpoint: \(checkpoint.text())", ""] }
        if state.hasNewMetadata, let metadata = state.metadata { lines += ["metadata: \(metadata.text())", ""] }
        if !state.requests.isEmpty {
            lines.append("requests")
            for request in state.requests {
                let answer = request.status.map(String.init) ?? "no answer"
                lines.append("  \(answer)  \(Self.milliseconds(request.duration))  \(request.text)")
            }
            lines.append("")
        }
        if !state.logs.isEmpty {
            lines.append("logs")
            for entry in state.logs {
                let meta = entry["meta"].map { " \($0.text())" } ?? ""
                let message = entry["message"]?.string ?? entry["message"]?.text() ?? ""
                lines.append("  \(entry["level"]?.string ?? "")  \(message)\(meta)")
            }
            lines.append("")
        }
        if let failure {
            lines.append("failed: \(failure.text)")
        } else {
            lines.append("\(name) ran in \(Self.milliseconds(duration)); nothing was written.")
        }
        return lines.joined(separator: "\n")
    }

    private static func milliseconds(_ duration: Duration) -> String {
        let milliseconds = duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000
        return "\(milliseconds) ms"
    }

    private static func table(_ records: [JSONValue]) -> [String] {
        guard !records.isEmpty else { return [] }
        let names = (records.first?.object?.names ?? []).prefix(shownColumns)
        let rows = records.prefix(shownRecords).map { record in
            names.map { name in cell(record[name].map { $0.string ?? $0.text() } ?? "") }
        }
        let heads = names.map(cell)
        let widths = heads.indices.map { column in ([heads] + rows).map { $0[column].count }.max() ?? 0 }
        var lines = ([heads] + rows).map { row in
            "  " + zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
        }
        if records.count > shownRecords { lines.append("  and \(records.count - shownRecords) more") }
        return lines
    }

    private static func cell(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.count > columnWidth ? line.prefix(columnWidth - 1) + "…" : line
    }
}
