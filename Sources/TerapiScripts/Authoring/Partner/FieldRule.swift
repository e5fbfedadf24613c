/// How a member of a standard model is found in an example.
struct FieldRule: Sendable {
    enum Kind: Sendable {
        case id
        case moment
        case day
        case flag
        case text
        /// A word that the model has its own words for; what the source says is kept beside it under `<field>_raw`.
        case choice
        case sport
        case count
        /// Without a unit, or with one that everybody uses.
        case plain
        /// In the unit with this name.
        case measure(Measure, String)
    }

    var field: String
    var kind: Kind
    /// Each a set of words; all of one must be there.
    var words: [Set<String>]
    /// In the model's own unit: what is possible.
    var range: ClosedRange<Double>
    /// Words that may be there besides.
    var fillers: Set<String>
    /// Whether it cannot be longer than from the item's start to its end.
    var isWithin: Bool

    /// - Parameter words: alternatives, separated by commas.
    init(
        _ field: String, _ kind: Kind, _ words: String, in range: ClosedRange<Double> = 0...1e15, besides: String = "",
        isWithin: Bool = false
    ) {
        self.field = field
        self.kind = kind
        self.words = words.split(separator: ",").map { Set($0.split(separator: " ").map(String.init)) }
        self.range = range
        fillers = Set(besides.split(separator: " ").map(String.init))
        self.isWithin = isWithin
    }

    /// What a field may be called besides without meaning anything else.
    static let fillers: Set<String> = [
        "data", "summary", "stat", "value", "metric", "metrics", "detail", "details", "result", "measurement",
        "measurements", "measure", "info", "record", "attributes",
    ]

    /// With one of these it is another value, whatever else it is called.
    static let foreign: Set<String> = [
        "target", "goal", "goals", "previous", "last", "next", "baseline", "predicted", "expected", "threshold",
        "limit",
        "remaining", "weekly", "monthly", "yearly", "week", "month", "year", "lifetime", "recommended", "need",
        "needed",
        "planned", "ideal", "score", "zone", "zones", "trend", "change", "normal", "balance", "debt",
    ]

    /// The words that only say which model it is.
    static func fillers(of model: String) -> Set<String> {
        switch model {
        case "sleep": ["sleep", "night"]
        case "activity": ["activity", "workout", "exercise", "session", "training"]
        case "daily": ["daily", "day", "activity"]
        case "body": ["body"]
        case "ticket": ["ticket", "issue", "task", "case", "request"]
        case "calendar_event": ["event", "meeting", "appointment"]
        default: [model]
        }
    }

    static func rules(of model: String) -> [FieldRule] {
        let times = [
            FieldRule("source_created_at", .moment, "create", besides: "source record"),
            FieldRule("source_updated_at", .moment, "update,modify", besides: "source record last"),
        ]
        return (specific[model] ?? []) + times
    }

    private static let specific = health.merging(business) { health, _ in health }
}

extension FieldRule.Kind {
    var measure: Measure? {
        if case .measure(let measure, _) = self { measure } else { nil }
    }

    var isMoment: Bool {
        if case .moment = self { true } else { false }
    }

    var isCount: Bool {
        if case .count = self { true } else { false }
    }

    var fillers: Set<String> {
        switch self {
        case .moment:
            ["time", "at", "date", "timestamp", "ts", "unix", "epoch", "utc", "second", "ms", "in", "on", "iso", "s"]
        case .day: ["date", "day"]
        default: []
        }
    }
}
