/// Where a sync's records or an action are offered below `/v1`: `GET /crm/contacts`, `POST /tickets/{id}/close`.
public struct ScriptEndpoint: Sendable, Hashable {
    public enum Method: String, Sendable, CaseIterable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    /// A part of the path between two slashes.
    public enum Segment: Sendable, Hashable {
        case text(String)
        case parameter(String)
    }

    public var method: Method
    public var segments: [Segment]
    /// Of a sync with several models.
    public var model: String?
    /// A heading for documents.
    public var group: String?

    /// As it is written: `/tickets/{id}`.
    public var path: String {
        segments.map { segment in
            switch segment {
            case .text(let text): "/\(text)"
            case .parameter(let name): "/{\(name)}"
            }
        }
        .joined()
    }

    public var text: String { "\(method.rawValue) \(path)" }

    public var parameters: [String] {
        segments.compactMap { if case .parameter(let name) = $0 { name } else { nil } }
    }

    /// Whether a request can be meant for both.
    public func meets(_ other: ScriptEndpoint) -> Bool {
        method == other.method && segments.count == other.segments.count
            && zip(segments, other.segments).allSatisfy { one, two in
                guard case .text(let one) = one, case .text(let two) = two else { return one.kind == two.kind }
                return one == two
            }
    }

    /// The values of the parameters when a path is this one's.
    /// - Parameter path: the part behind `/v1`, split and without escapes.
    public func values(in path: [String]) -> [String: String]? {
        guard path.count == segments.count else { return nil }
        var values: [String: String] = [:]
        for (segment, given) in zip(segments, path) {
            switch segment {
            case .text(let text): guard text == given else { return nil }
            case .parameter(let name): values[name] = given
            }
        }
        return values
    }

    /// Reads `GET /contacts`, `{method, path}` or `{GET: "/contacts"}`. Without a method it is `defaultMethod`.
    /// - Throws: `TerapiError(.invalidDefinition)`.
    public init(_ value: JSONValue, defaultMethod: Method) throws {
        let (method, path) = try Self.parts(of: value)
        guard let found = method.map({ Method(rawValue: $0.uppercased()) }) ?? defaultMethod else {
            throw TerapiError(
                .invalidDefinition,
                "expected an endpoint's method to be one of "
                    + Method.allCases.map(\.rawValue).joined(separator: ", ") + ", found \"\(method ?? "")\""
            )
        }
        self.method = found
        segments = try Self.segments(of: path)
        model = value["model"]?.string
        group = value["group"]?.string
    }

    /// The endpoint as one at which a sync's records are read.
    /// - Throws: `TerapiError(.invalidDefinition)` when it is none.
    public func forSync(saving models: [String]) throws -> ScriptEndpoint {
        guard method == .get, parameters.isEmpty else {
            throw TerapiError(
                .invalidDefinition,
                "expected an endpoint of a sync to be GET and to have no parameters in its path, found \(text)"
            )
        }
        if let model, !models.contains(model) {
            throw TerapiError(
                .invalidDefinition,
                "expected an endpoint's model to be one that the sync saves (\(models.joined(separator: ", "))), found "
                    + "\"\(model)\""
            )
        }
        return self
    }

    private static func parts(of value: JSONValue) throws -> (method: String?, path: String) {
        if let text = value.string {
            let words = text.split(separator: " ").map(String.init)
            if words.count == 2 { return (words[0], words[1]) }
            if words.count == 1 { return (nil, words[0]) }
        }
        if let path = value["path"]?.string { return (value["method"]?.string, path) }
        if let only = value.object?.members.first, Method(rawValue: only.name.uppercased()) != nil,
            let path = only.value.string
        {
            return (only.name, path)
        }
        throw TerapiError(
            .invalidDefinition,
            "expected an endpoint such as \"GET /contacts\" or { method, path }, found \(value.text())")
    }

    private static func segments(of path: String) throws -> [Segment] {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let inner = parts.dropFirst()
        var segments: [Segment] = []
        for part in inner {
            let name = part.hasPrefix("{") && part.hasSuffix("}") ? String(part.dropFirst().dropLast()) : nil
            guard isMadeOf(name ?? part, alsoMarks: name == nil) else {
                throw TerapiError(
                    .invalidDefinition,
                    "expected an endpoint's path such as /tickets or /tickets/{id}, of letters, digits and \"-._~\", found "
                        + "\"\(path)\""
                )
            }
            segments.append(name.map { .parameter($0) } ?? .text(part))
        }
        let names = segments.filter { if case .parameter = $0 { true } else { false } }
        guard parts.first == "", !inner.isEmpty, Set(names).count == names.count, path.utf8.count <= 255,
            segments != [.text("openapi.json")]
        else {
            throw TerapiError(
                .invalidDefinition,
                "expected an endpoint's path to begin with a slash, to name no parameter twice and not to be "
                    + "/openapi.json, found \"\(path)\""
            )
        }
        return segments
    }

    private static func isMadeOf(_ text: String, alsoMarks: Bool) -> Bool {
        !text.isEmpty && text != "." && text != ".."
            && text.unicodeScalars.allSatisfy { scalar in
                scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "_")
                    || (alsoMarks && "-.~".unicodeScalars.contains(scalar))
            }
    }

    /// `{method, path}`, and what else it says.
    public var json: JSONValue {
        var json: JSONObject = ["method": .string(method.rawValue), "path": .string(path)]
        json["model"] = model.map(JSONValue.string)
        json["group"] = group.map(JSONValue.string)
        return .object(json)
    }
}

extension ScriptEndpoint.Segment {
    fileprivate var kind: Int { if case .text = self { 0 } else { 1 } }
}
