import TerapiCore

/// The body of a token answer, whatever it is written in.
enum TokenDocument {
    private static let limits = JSONReader.Limits(maxDepth: 32, maxNodes: 10_000)

    /// - Returns: `nil` for what is no document: a page for people, or nothing.
    static func read(_ body: [UInt8]) -> JSONValue? {
        if let json = try? JSONReader.read(body, limits: limits) { return json }
        guard let xml = XMLText.read(body), let root = xml.object?.names.first, root.lowercased() != "html" else {
            return nil
        }
        return xml
    }
}
