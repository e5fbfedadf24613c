import ArgumentParser

/// Prints the settings as the page `docs/configuration.md`.
struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print every setting with its flag, variable, unit, default and allowed values."
    )

    func run() {
        print(Self.page, terminator: "")
    }

    static var page: String {
        var lines = [
            "# Configuration",
            "",
            "<!-- Written by `terapi config`. -->",
            "",
            "A setting is given as a flag of `terapi serve`, as an environment variable, or in a JSON file that `--config` "
                + "or `TERAPI_CONFIG` names (`{\"port\": 3003}`). Flags win over variables, variables over the file. "
                + "A wrong value stops the start.",
            "",
            "| flag and name in the file | variable | default | unit | allowed | meaning |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for setting in Settings.list {
            let fallback = setting.defaultText.map { $0.isEmpty ? "empty" : "`\($0)`" } ?? "none"
            lines.append(
                "| `\(setting.flag)` | `\(setting.variable)` | \(fallback) | \(setting.unit ?? "") | \(setting.allowed) "
                    + "| \(setting.summary) |"
            )
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
