import TerapiCore

/// One value in an example, with the words that its place is made of.
struct ExampleField: Sendable, Equatable {
    private static let maxDepth = 6

    var path: [String]
    var value: JSONValue
    /// Of the last step of the path.
    var name: [String]
    /// Of the steps above it.
    var above: [String]

    init(path: [String], value: JSONValue) {
        self.path = path
        self.value = value
        name = path.last.map(Self.words) ?? []
        above = path.dropLast().flatMap(Self.words)
        // `heart_rate: {avg}` and `avg_heart_rate` say the same, and so does `blood: {oxygen}`.
        if path.count > 1 {
            let whole = Self.merged(path.flatMap(Self.plainWords))
            let parts = Set(name + above)
            if let found = whole.first(where: { !parts.contains($0) }) {
                name = [found] + name.filter(whole.contains)
                above = above.filter(whole.contains)
            }
        }
    }

    /// Every number, text and flag of an item, but not those in lists.
    static func all(in item: JSONValue) -> [ExampleField] {
        all(in: item, path: [])
    }

    private static func all(in value: JSONValue, path: [String]) -> [ExampleField] {
        switch value {
        case .object(let object) where path.count < maxDepth:
            object.members.flatMap { all(in: $0.value, path: path + [$0.name]) }
        case .number, .string, .bool: [ExampleField(path: path, value: value)]
        default: []
        }
    }

    /// The value in JavaScript.
    var expression: String { Self.expression("item", path) }

    static func expression(_ root: String, _ path: [String]) -> String {
        var text = root
        for (index, step) in path.enumerated() {
            let isPlain =
                step.first.map { $0.isASCII && ($0.isLetter || $0 == "_") } == true
                && step.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            let isSure = index == 0
            text +=
                isPlain
                ? "\(isSure ? "." : "?.")\(step)" : "\(isSure ? "" : "?.")[\(JSONValue.string(step).text())]"
        }
        return text
    }

    var place: String { path.joined(separator: ".") }

    /// For people, cut to what fits on a line.
    var shown: String {
        let text = value.text()
        return text.count > 44 ? "\(text.prefix(40))…" : text
    }

    /// The number, also where it stands as text.
    var number: Double? {
        value.double ?? value.string.flatMap(Double.init).flatMap { $0.isFinite ? $0 : nil }
    }
}

// MARK: Words

extension ExampleField {
    /// `avgHeartRate`, `avg_heart_rate` and `average-heartrate` are all `avg`, `hr`.
    static func words(of name: String) -> [String] {
        merged(plainWords(name))
    }

    private static func plainWords(_ name: String) -> [String] {
        let letters = Array(name)
        var words: [String] = []
        var word = ""
        for (index, letter) in letters.enumerated() {
            guard letter.isLetter || letter.isNumber else {
                words.append(word)
                word = ""
                continue
            }
            let last = index > 0 ? letters[index - 1] : letter
            let next = index + 1 < letters.count ? letters[index + 1] : letter
            let beginsWord = letter.isUppercase && (!last.isUppercase || next.isLowercase)
            if beginsWord {
                words.append(word)
                word = ""
            }
            word.append(letter)
        }
        words.append(word)
        return words.filter { !$0.isEmpty }.map { synonyms[$0.lowercased()] ?? $0.lowercased() }
    }

    /// Several words that are one thing.
    private static func merged(_ words: [String]) -> [String] {
        var rest = words[...]
        var result: [String] = []
        while let first = rest.first {
            if let (phrase, word) = phrases.first(where: { rest.starts(with: $0.0) }) {
                result.append(word)
                rest = rest.dropFirst(phrase.count)
            } else {
                result.append(first)
                rest = rest.dropFirst()
            }
        }
        return result
    }

    private static let synonyms: [String: String] = {
        let table = [
            "avg": "average mean", "max": "maximum highest peak", "min": "minimum lowest", "duration": "dur elapsed",
            "hr": "heartrate pulse", "calorie": "calories cals", "step": "steps", "floor": "floors",
            "meter": "meters metre metres", "second": "seconds sec secs", "minute": "minutes mins",
            "hour": "hours hrs", "ms": "millisecond milliseconds millis milli msec",
            "km": "kilometer kilometers kilometre "
                + "kilometres", "mile": "miles mi", "percent": "percentage pct", "kg": "kilogram kilograms kgs",
            "lb": "pound pounds lbs", "g": "gram grams", "kj": "kilojoule kilojoules", "j": "joule joules",
            "start": "begin begins began started starts beginning", "end": "stop finish finished ended ends stopped",
            "awakening": "awakenings wakeup wakeups", "temperature": "temp", "foot": "feet ft", "inch": "inches",
            "spo2": "sao2", "breath": "breaths breathing respiration respiratory", "stage": "stages",
            "deep": "sws slowwave", "asleep": "sleeping", "watt": "watts", "mps": "ms1", "kmh": "kph",
            "date": "datetime", "update": "updated", "create": "created", "modify": "modified",
            "distance": "dist", "deviation": "delta", "milligram": "milligrams", "stat": "stats statistics",
            "id": "uuid guid", "url": "link permalink", "email": "mail", "phone": "telephone", "label": "labels",
        ]
        var synonyms: [String: String] = [:]
        for (word, others) in table { for other in others.split(separator: " ") { synonyms[String(other)] = word } }
        return synonyms
    }()

    /// The longer ones first.
    private static let phrases: [([String], String)] = [
        (["heart", "rate", "variability"], "hrv"), (["body", "mass", "index"], "bmi"),
        (["meter", "per", "second"], "mps"), (["m", "per", "s"], "mps"), (["km", "per", "hour"], "kmh"),
        (["km", "per", "h"], "kmh"), (["mile", "per", "hour"], "mph"), (["beat", "per", "minute"], "bpm"),
        (["beats", "per", "minute"], "bpm"), (["breath", "per", "minute"], "bpm"), (["mmol", "per", "l"], "mmol_l"),
        (["mg", "per", "dl"], "mg_dl"), (["heart", "rate"], "hr"), (["sp", "o2"], "spo2"),
        (["oxygen", "saturation"], "spo2"), (["blood", "oxygen"], "spo2"), (["vo2", "max"], "vo2max"),
        (["vo", "2", "max"], "vo2max"), (["slow", "wave"], "deep"), (["mmol", "l"], "mmol_l"), (["mg", "dl"], "mg_dl"),
        (["mm", "hg"], "mmhg"), (["fall", "asleep"], "latency"), (["wake", "ups"], "awakening"),
        (["time", "zone"], "timezone"),
    ]
}
