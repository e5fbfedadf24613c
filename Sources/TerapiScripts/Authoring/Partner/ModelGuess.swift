public import TerapiCore

/// What an example's members probably are in a standard model. A unit that the example leaves open is not guessed.
public struct ModelGuess: Sendable, Equatable {
    public enum Confidence: String, Sendable {
        /// The field's name says it.
        case high
        /// Only one reading of the example's value is possible.
        case medium
        /// Nothing speaks against it.
        case low
    }

    public struct Field: Sendable, Equatable {
        /// The member of the model.
        public var field: String
        /// In JavaScript, over `item`.
        public var expression: String
        /// The place in the example; `nil` where a person said what it is.
        public var from: String?
        /// The example's value there.
        public var example: String
        public var because: String
        public var confidence: Confidence
    }

    /// A member that looks like one of the model's and was not taken.
    public struct LeftOut: Sendable, Equatable {
        public var field: String
        public var from: String
        public var example: String
        public var because: String
    }

    public var model: String
    public var fields: [Field] = []
    public var leftOut: [LeftOut] = []
    /// Places in the example that nothing was made of.
    public var unmapped: [String] = []
    /// Members that the model needs and that nothing was found for.
    public var missing: [String] = []

    /// The places that the record's identity and time depend on: an event without them brings no record.
    public var isComplete: Bool { missing.isEmpty }

    /// - Parameters:
    ///   - given: what a person said, in the order of the file: it is taken as it is.
    ///   - without: members that must not be guessed.
    public init(
        of item: JSONValue, as model: StandardModel, given: [(name: String, expression: String)] = [],
        without: Set<String> = []
    ) {
        self.model = model.name
        for (name, expression) in given {
            fields.append(
                Field(field: name, expression: expression, from: nil, example: "", because: "", confidence: .high))
        }
        var guesser = FieldGuesser(item: item, model: model.name, isTaken: Set(given.map(\.name)).union(without))
        guesser.run()
        fields += guesser.found
        leftOut = guesser.leftOut
        complete(guesser)
        let order = model.document["properties"]?.object?.names ?? []
        func place(_ name: String) -> Int { order.firstIndex(of: name) ?? order.count }
        fields = fields.enumerated()
            .sorted { (place($0.element.field), $0.offset) < (place($1.element.field), $1.offset) }.map(\.element)
        let said = given.map(\.expression).joined(separator: " ")
        let used = Set(fields.compactMap(\.from) + leftOut.map(\.from))
        unmapped = guesser.candidates.filter { !used.contains($0.place) && !said.contains($0.expression) }.map(\.place)
        let names = Set(fields.map(\.field))
        missing = (model.document["required"]?.array ?? []).compactMap(\.string).filter { !names.contains($0) }
    }

    private subscript(name: String) -> Field? { fields.first { $0.field == name } }

    /// What follows from what was found.
    private mutating func complete(_ guesser: FieldGuesser) {
        let natural = ["daily": "local_date", "sleep": "start_at", "body": "measured_at", "activity": "start_at"][model]
        if let natural, let source = self[natural], self["id"] == nil || (model == "daily" && self["id"]?.from != nil) {
            if model == "daily" { fields.removeAll { $0.field == "id" } }
            add("id", source.expression, like: source, "what tells records of this model apart", .medium)
        }
        if model == "activity", self["duration_seconds"] == nil, guesser.isFree("duration_seconds"),
            let start = self["start_at"]?.from, let end = self["end_at"]
        {
            let path = start.split(separator: ".").map(String.init)
            let last = (end.from ?? "").split(separator: ".").map(String.init)
            guard !last.isEmpty, !path.isEmpty else { return }
            add(
                "duration_seconds",
                "secondsBetween(\(ExampleField.expression("item", path)), \(ExampleField.expression("item", last)))",
                like: end, "computed from the start to the end", .high)
        }
    }

    private mutating func add(
        _ name: String, _ expression: String, like source: Field, _ because: String, _ confidence: Confidence
    ) {
        fields.append(
            Field(
                field: name, expression: expression, from: source.from, example: source.example, because: because,
                confidence: confidence))
    }
}
