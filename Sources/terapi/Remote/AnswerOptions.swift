import ArgumentParser
import SystemPackage
import TerapiCore
import TerapiScripts

/// How what the server answered is shown.
struct AnswerOptions: ParsableArguments {
    @Flag(help: "Print what the server answered, as JSON.")
    var json = false

    /// - Parameter text: the same for people.
    func show(_ answer: JSONValue, _ text: () -> String) {
        print(json ? answer.layout : text())
    }
}

/// Rows below their headings, for people.
struct Table {
    private var rows: [[String]] = []
    private let headings: [String]

    init(_ headings: [String]) {
        self.headings = headings
    }

    mutating func add(_ cells: [String]) {
        rows.append(cells.map(Self.shown))
    }

    /// - Parameter empty: what stands there when there are no rows.
    func text(empty: String) -> String {
        guard !rows.isEmpty else { return empty }
        let lines = [headings] + rows
        let widths = headings.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
        return lines.map { cells in
            let padded = zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return String(padded.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }
        .joined(separator: "\n")
    }

    /// One line that leaves the terminal as it is: end users choose some of these words.
    static func shown(_ text: String) -> String {
        let calm = String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
        return calm.isEmpty ? "-" : calm
    }
}

extension JSONValue? {
    /// As a cell of a table.
    var cell: String {
        switch self {
        case nil, .null: ""
        case .string(let text): text
        case let value?: value.text()
        }
    }

    /// A moment to the second, in UTC.
    var momentCell: String {
        guard let text = self?.string, text.utf8.count > 19 else { return cell }
        return "\(text.prefix(19))Z"
    }
}

enum StandardOutput {
    /// Writes a text at once, however long the command goes on.
    static func write(_ text: String) throws {
        _ = try FileDescriptor.standardOutput.writeAll(text.utf8)
    }
}

/// One thing with its members, for people.
enum Facts {
    static func text(_ value: JSONValue?) -> String {
        (value?.object?.members ?? []).map { "\($0.name): \(Table.shown(Optional($0.value).cell))" }
            .joined(separator: "\n")
    }
}
