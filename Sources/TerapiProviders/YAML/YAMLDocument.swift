import CYaml

/// Reads one YAML document.
///
/// The events of libyaml become nodes at once. The tree that the library around it builds asks seven regular expressions
/// about each scalar, which is most of the time that a file of a thousand providers takes.
struct YAMLDocument {
    /// A text of a few lines can stand for billions of nodes by references to references.
    private static let maxNodes = 2_000_000
    private static let maxDepth = 64

    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    private let file: String
    private var anchors: [String: (node: YAMLNode, count: Int, height: Int)] = [:]
    private var count = 0
    private var depth = 0
    /// The deepest place since it was last set to where a node begins: how much deeper is the node's height.
    private var deepest = 0

    /// - Returns: the root, or `nil` when the text has no content.
    static func read(_ text: String, file: String) throws(CatalogProblem) -> YAMLNode? {
        var text = text
        let result = text.withUTF8 { bytes -> Result<YAMLNode?, CatalogProblem> in
            var document = YAMLDocument(bytes, file: file)
            defer { document.close() }
            do throws(CatalogProblem) {
                return .success(try document.root())
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private init(_ bytes: UnsafeBufferPointer<UInt8>, file: String) {
        self.file = file
        yaml_parser_initialize(parser)
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    private func close() {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    private mutating func root() throws(CatalogProblem) -> YAMLNode? {
        while true {
            var event = try next()
            defer { yaml_event_delete(&event) }
            switch event.type {
            case YAML_STREAM_END_EVENT: return nil
            case YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT: continue
            default: break
            }
            let root = try node(event)
            var end = try next()
            yaml_event_delete(&end)
            var last = try next()
            defer { yaml_event_delete(&last) }
            guard last.type == YAML_STREAM_END_EVENT else {
                throw problem(last, "A second document begins here. Put it into a file of its own.")
            }
            return root
        }
    }

    private func next() throws(CatalogProblem) -> yaml_event_t {
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else {
            let problem = parser.pointee.problem.map { String(cString: $0) } ?? "it cannot be read"
            let mark = parser.pointee.problem_mark
            throw CatalogProblem(
                file: file,
                line: Int(mark.line) + 1,
                column: Int(mark.column) + 1,
                message: "This is not YAML: \(problem)."
            )
        }
        return event
    }

    /// The node that begins with this event.
    private mutating func node(_ event: yaml_event_t) throws(CatalogProblem) -> YAMLNode {
        let before = count
        let place = Self.place(event)
        let deepestBefore = deepest
        depth += 1
        deepest = depth
        defer {
            depth -= 1
            deepest = max(deepest, deepestBefore)
        }
        try checkDepth(event)
        try add(1, event)
        let content: YAMLNode.Content
        let anchor: UnsafeMutablePointer<yaml_char_t>?
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            anchor = scalar.anchor
            let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            content = .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.tag == nil)
        case YAML_SEQUENCE_START_EVENT:
            anchor = event.data.sequence_start.anchor
            content = .list(try items())
        case YAML_MAPPING_START_EVENT:
            anchor = event.data.mapping_start.anchor
            content = .map(try members())
        default:
            let name = Self.text(event.data.alias.anchor)
            guard let known = anchors[name] else {
                throw problem(event, "Nothing before this place has the anchor \"\(name)\".")
            }
            try add(known.count, event)
            deepest = depth + known.height
            try checkDepth(event)
            return YAMLNode(content: known.node.content, place: place)
        }
        let node = YAMLNode(content: content, place: place)
        if let anchor { anchors[Self.text(anchor)] = (node, count - before, deepest - depth) }
        return node
    }

    private mutating func items() throws(CatalogProblem) -> [YAMLNode] {
        var items: [YAMLNode] = []
        while true {
            var event = try next()
            defer { yaml_event_delete(&event) }
            if event.type == YAML_SEQUENCE_END_EVENT { return items }
            items.append(try node(event))
        }
    }

    private mutating func members() throws(CatalogProblem) -> [YAMLNode.Member] {
        var members: [YAMLNode.Member] = []
        var inherited: [YAMLNode.Member] = []
        var names: Set<String> = []
        while true {
            var event = try next()
            defer { yaml_event_delete(&event) }
            if event.type == YAML_MAPPING_END_EVENT { break }
            let key = try node(event)
            guard case .scalar(let name, let isPlain) = key.content else {
                throw problem(event, "A key must be a text.")
            }
            var valueEvent = try next()
            defer { yaml_event_delete(&valueEvent) }
            let value = try node(valueEvent)
            if name == "<<", isPlain {
                guard let merged = Self.merged(value) else {
                    throw problem(event, "\"<<\" merges maps, and this is \(value.found).")
                }
                inherited += merged
            } else {
                guard names.insert(name).inserted else {
                    throw problem(event, "The key \"\(name)\" stands here twice.")
                }
                members.append(YAMLNode.Member(name: name, place: key.place, value: value))
            }
        }
        for member in inherited where names.insert(member.name).inserted { members.append(member) }
        return members
    }

    private static func merged(_ value: YAMLNode) -> [YAMLNode.Member]? {
        if let members = value.members { return members }
        let maps = value.items?.map(\.members) ?? [nil]
        return maps.contains { $0 == nil } ? nil : maps.flatMap { $0 ?? [] }
    }

    private func checkDepth(_ event: yaml_event_t) throws(CatalogProblem) {
        guard deepest <= Self.maxDepth else {
            throw problem(event, "More than \(Self.maxDepth) maps and lists stand inside each other here.")
        }
    }

    private mutating func add(_ nodes: Int, _ event: yaml_event_t) throws(CatalogProblem) {
        count += nodes
        guard count <= Self.maxNodes else {
            throw problem(event, "The file stands for more than \(Self.maxNodes) values, most of them by references.")
        }
    }

    private func problem(_ event: yaml_event_t, _ message: String) -> CatalogProblem {
        CatalogProblem(file: file, place: Self.place(event), message: message)
    }

    private static func place(_ event: yaml_event_t) -> YAMLNode.Place {
        YAMLNode.Place(
            line: Int32(truncatingIfNeeded: event.start_mark.line + 1),
            column: Int32(truncatingIfNeeded: event.start_mark.column + 1)
        )
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String {
        pointer.map { String(cString: $0) } ?? ""
    }
}
