import TerapiCore

/// What a deployment would do or has done, as a person reads it.
struct DeployReport {
    private let difference: JSONValue
    private let host: String

    /// - Parameter difference: the server's answer.
    init(_ difference: JSONValue, host: String) {
        self.difference = difference
        self.host = host
    }

    var hasChanges: Bool { !(list("added") + list("changed") + list("removed")).isEmpty }

    var text: String {
        let version = difference["version"].flatMap { $0.isNull ? nil : "version \($0.text())" }
        let place = "\(difference["environment"]?.string ?? "") at \(host)"
        var lines = ["\(place), \(version ?? "nothing deployed yet")"]
        lines += list("added").map { "  + \(Self.name($0))" }
        lines += list("changed").map { change in
            let parts = (change["changes"]?.array ?? []).compactMap(\.string).joined(separator: ", ")
            return "  ~ \(Self.name(change))  (\(parts))"
        }
        lines += list("removed").map { "  - \(Self.name($0))\(Self.deletions($0))" }
        lines += list("kept").map { "    \(Self.name($0)) is not in the folder and stays; --prune removes it" }
        let unchanged = difference["unchanged"]?.int ?? 0
        if unchanged > 0 { lines.append("    \(unchanged) unchanged") }
        if !hasChanges { lines.append("Nothing is different: everything stays as it is.") }
        for key in list("unknown_integrations").compactMap(\.string) {
            lines.append("The environment has no integration \"\(key)\" yet: its scripts wait for it.")
        }
        return lines.joined(separator: "\n")
    }

    private func list(_ name: String) -> [JSONValue] { difference[name]?.array ?? [] }

    private static func name(_ script: JSONValue) -> String {
        let kind = script["kind"]?.string.flatMap(ScriptInvocation.Kind.init(rawValue:)) ?? .sync
        return ScriptID(
            integrationKey: script["provider_config_key"]?.string ?? "",
            kind: kind,
            name: script["name"]?.string ?? ""
        ).path
    }

    private static func deletions(_ removal: JSONValue) -> String {
        let records = (removal["deletes"]?["records"]?.object?.members ?? []).filter { $0.value.int != 0 }
        let parts =
            [removal["deletes"]?["connections"]?.int ?? 0].filter { $0 > 0 }
            .map { "its place on \($0) \($0 == 1 ? "connection" : "connections")" }
            + records.map { "\($0.value.text()) records of \($0.name)" }
        return parts.isEmpty ? "" : "  deletes \(parts.joined(separator: ", "))"
    }
}
