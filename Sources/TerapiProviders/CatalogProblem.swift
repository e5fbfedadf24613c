/// A mistake in a provider file, or something in it that has no effect, with its place.
public struct CatalogProblem: Error, Sendable, Equatable, CustomStringConvertible {
    public var file: String
    /// Counted from 1; 0 when the whole file is meant.
    public var line: Int
    public var column: Int
    public var message: String

    init(file: String, line: Int = 0, column: Int = 0, message: String) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
    }

    init(file: String, place: YAMLNode.Place?, message: String) {
        self.init(file: file, line: Int(place?.line ?? 0), column: Int(place?.column ?? 0), message: message)
    }

    public var description: String {
        line == 0 ? "\(file): \(message)" : "\(file):\(line):\(column): \(message)"
    }
}
