import Synchronization
import TerapiCore
import TerapiScripts

/// The terminal of who works on integrations: what became of the last change, and what runs.
final class DevConsole: LogSink {
    private let folder: String
    private let running = Mutex<[String: LogOperation]>([:])

    /// - Parameter folder: of integrations, as it is shown.
    init(folder: String) {
        self.folder = folder
    }

    var report: IntegrationsReport {
        IntegrationsReport { result, took in self.show(result, took) }
    }

    private func show(_ result: Result<ScriptDefinitions, any Error>, _ took: Duration) {
        let milliseconds = took.microseconds / 1000
        switch result {
        case .success(let found):
            say("\(folder): \(found.countsText), loaded in \(milliseconds) ms")
        case .failure(let error as TerapiError) where !error.issues.isEmpty:
            for issue in error.issues {
                say(issue.message)
                for line in SourceExcerpt.lines(of: issue.message) { say(line) }
            }
            let count = error.issues.count == 1 ? "a mistake" : "\(error.issues.count) mistakes"
            say("\(folder): \(count); what was loaded before stays")
        case .failure(let error):
            say("\(folder): \((error as? TerapiError)?.message ?? "\(error)")")
        }
    }

    // MARK: Runs

    func record(_ operation: LogOperation) {
        let begun = running.withLock { running in
            let begun = running[operation.id]
            running[operation.id] = operation.endedAt == nil ? operation : nil
            return begun
        }
        if let endedAt = operation.endedAt {
            let milliseconds = (endedAt - operation.createdAt).microseconds / 1000
            say("\(Self.time(endedAt)) \(Self.name(operation)) \(operation.state.rawValue) after \(milliseconds) ms")
        } else if begun == nil {
            say("\(Self.time(operation.createdAt)) \(Self.name(operation))")
        }
    }

    func record(_ message: LogMessage) {
        let operation = running.withLock { $0[message.operationID] }
        let place = operation?.subject.map { "\($0): " } ?? ""
        let meta = message.meta.isEmpty ? "" : " \(JSONValue.object(message.meta).text())"
        say("\(Self.time(message.createdAt))   \(message.level.rawValue)  \(place)\(message.message)\(meta)")
    }

    private static func name(_ operation: LogOperation) -> String {
        let place = [operation.integrationKey, operation.connectionID].compactMap(\.self).joined(separator: "/")
        return [operation.kind.rawValue, operation.subject, place.isEmpty ? nil : "(\(place))"].compactMap(\.self)
            .joined(separator: " ")
    }

    /// The time of the day, in UTC as everywhere in the logs.
    private static func time(_ moment: Timestamp) -> Substring {
        moment.iso8601.dropFirst(11).prefix(8)
    }
}

/// The line of a file that a message is about.
enum SourceExcerpt {
    /// - Parameter message: `file:line:column: what is wrong`.
    /// - Returns: the line with its number, and a mark below the column; nothing when there is no such line.
    static func lines(of message: String) -> [String] {
        guard let match = message.prefixMatch(of: #/(?<file>[^\n]+?):(?<line>[0-9]+):(?<column>[0-9]+): /#),
            let number = Int(match.line), let column = Int(match.column), number > 0, column > 0,
            let bytes = OwnedFile.read(String(match.file))
        else { return [] }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.indices.contains(number - 1) else { return [] }
        // Columns count bytes; the mark stands below a character.
        let before = String(decoding: lines[number - 1].utf8.prefix(column - 1), as: UTF8.self)
        let space = String(before.map { $0 == "\t" ? "\t" : " " })
        let margin = String(repeating: " ", count: String(number).count)
        return ["  \(number) | \(lines[number - 1])", "  \(margin) | \(space)^"]
    }
}
