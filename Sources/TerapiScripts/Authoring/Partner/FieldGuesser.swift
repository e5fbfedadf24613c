import TerapiCore

/// Finds for each rule of a model the one member of an example that fits, by its words and by its value.
struct FieldGuesser {
    private struct Match {
        var field: ExampleField
        var score: Int
        var unit: Measure.Unit?
    }

    let candidates: [ExampleField]
    private let model: String
    private let isTaken: Set<String>
    private var used: Set<String> = []
    /// From the start to the end of the item, in seconds, where both are known.
    private var elapsed: Double?
    private(set) var found: [ModelGuess.Field] = []
    private(set) var leftOut: [ModelGuess.LeftOut] = []

    /// - Parameter isTaken: members of the model that are not to be guessed.
    init(item: JSONValue, model: String, isTaken: Set<String>) {
        candidates = ExampleField.all(in: item)
        self.model = model
        self.isTaken = isTaken
    }

    func isFree(_ field: String) -> Bool {
        !isTaken.contains(field) && !leftOut.contains { $0.field == field }
    }

    mutating func run() {
        let rules = FieldRule.rules(of: model)
        // Lengths are compared with the time from start to end.
        for rule in rules where rule.kind.isMoment { look(for: rule) }
        elapsed = elapsedSeconds()
        for rule in rules where !rule.kind.isMoment { look(for: rule) }
        leftOut.removeAll { one in found.contains { $0.field == one.field } || used.contains(one.from) }
    }

    private mutating func look(for rule: FieldRule) {
        guard !isTaken.contains(rule.field) else { return }
        let matches = candidates.filter { !used.contains($0.place) }.compactMap { match($0, rule) }
            .sorted { $0.score > $1.score }
        guard let best = matches.first else { return }
        let rivals = matches.filter { $0.score == best.score && $0.field.value != best.field.value }
        guard rivals.isEmpty else {
            let others = rivals.map(\.field.place).joined(separator: ", ")
            return leave(rule, best.field, "\(others) fits as well")
        }
        take(best, rule)
    }

    // MARK: Words

    private func match(_ field: ExampleField, _ rule: FieldRule) -> Match? {
        let (own, all) = (Set(field.name), Set(field.name + field.above))
        let unit = rule.kind.measure.flatMap { measure in
            measure.units.first { !own.isDisjoint(with: $0.words) }
        }
        var known = FieldRule.fillers.union(FieldRule.fillers(of: model)).union(rule.fillers).union(rule.kind.fillers)
        if let measure = rule.kind.measure { known.formUnion(measure.fillers) }
        if let unit { known.formUnion(unit.words) }
        return rule.words.compactMap { words -> Match? in
            guard words.isSubset(of: all), !words.isDisjoint(with: own) else { return nil }
            let allowed = known.union(words)
            guard own.isSubset(of: allowed) else { return nil }
            let strange = Set(field.above).subtracting(allowed)
            guard all.subtracting(words).subtracting(rule.fillers).isDisjoint(with: FieldRule.foreign) else {
                return nil
            }
            // Below an unknown name anything may be meant, unless the field itself says what it holds.
            guard strange.isEmpty || unit != nil else { return nil }
            let extra = own.subtracting(words).subtracting(unit?.words ?? []).count + field.above.count + strange.count
            return Match(field: field, score: words.count * 20 - extra * 3 - field.path.count, unit: unit)
        }
        .max { $0.score < $1.score }
    }

    // MARK: Values

    private mutating func take(_ match: Match, _ rule: FieldRule) {
        let (field, value) = (match.field, match.field.expression)
        switch rule.kind {
        case .id:
            guard field.value.bool == nil else { return }
            add(rule, field, field.value.string == nil ? "String(\(value))" : value, "its own id", .high)
        case .flag:
            guard field.value.bool != nil else { return leave(rule, field, "expected true or false") }
            add(rule, field, value, "true or false", .high)
        case .text:
            guard field.value.bool == nil else { return }
            add(rule, field, field.value.string == nil ? "String(\(value))" : value, "by its name", .medium)
        case .sport:
            guard field.value.string != nil, field.number == nil else {
                return leave(rule, field, "its numbers need a table: lookup(\(value), { 1: \"running\" })")
            }
            add(rule, field, "sport(\(value))", "sports by their usual names; others become unknown", .medium)
            add(rule, field, value, "what the source says", .high, as: "sport_raw")
        case .choice: choose(field, rule)
        case .moment: takeMoment(field, rule)
        case .day: takeDay(field, rule)
        case .count, .plain: takeNumber(field, rule)
        case .measure(let measure, let target): takeMeasure(field, rule, measure, target, match.unit)
        }
    }

    private mutating func choose(_ field: ExampleField, _ rule: FieldRule) {
        guard field.value.string != nil else { return leave(rule, field, "its numbers need a table") }
        let words = (StandardModel.named(model)?.document["properties"]?[rule.field]?["enum"]?.array ?? [])
            .compactMap(\.string).filter { $0 != "unknown" }
        let table = words.map { "\($0): \"\($0)\"" }.joined(separator: ", ")
        add(
            rule, field, "lookup(\(field.expression), { \(table) })", "complete the table: other words become unknown",
            .low)
        if ["status", "priority"].contains(rule.field), model == "ticket" {
            add(rule, field, field.expression, "what the source says", .high, as: "\(rule.field)_raw")
        }
    }

    private mutating func takeNumber(_ field: ExampleField, _ rule: FieldRule) {
        guard let number = field.number, field.value.bool == nil else { return leave(rule, field, "expected a number") }
        guard rule.range.contains(number) else {
            return leave(
                rule, field, "the example is not from \(text(rule.range.lowerBound)) to \(text(rule.range.upperBound))")
        }
        if rule.kind.isCount, number != number.rounded() { return leave(rule, field, "expected a whole number") }
        add(rule, field, plain(field), "by its name", .medium)
    }

    private mutating func takeMeasure(
        _ field: ExampleField, _ rule: FieldRule, _ measure: Measure, _ target: String, _ named: Measure.Unit?
    ) {
        guard let number = field.number, field.value.bool == nil else {
            return leave(rule, field, "expected a number, found \(field.value.kind)")
        }
        guard let goal = measure.units.first(where: { $0.name == target }) else { return }
        func isPossible(_ unit: Measure.Unit) -> Bool {
            let value = unit.converted(number, to: goal)
            // The end of a time may be written later than what it measured.
            let fits = !rule.isWithin || elapsed.map { value <= $0 * 1.02 + 60 } ?? true
            return rule.range.contains(value) && fits
        }
        if let named {
            guard number == 0 || isPossible(named) else {
                return leave(rule, field, "its name says \(named.spoken), and the example is none that is possible")
            }
            let name = member(rule, named.converted(number, to: goal))
            return add(rule, field, converted(field, named, goal), "\(named.spoken), by its name", .high, as: name)
        }
        let possible = measure.units.filter {
            measure.unnamed.contains($0.name) && number >= $0.least && isPossible($0)
        }
        guard number != 0, let only = possible.first else {
            return leave(rule, field, "the example does not tell its unit")
        }
        guard possible.count == 1 else {
            let units = possible.map(\.spoken).joined(separator: " or ")
            return leave(
                rule, field, "its unit may be \(units); for example \(rule.field): \(converted(field, only, goal))")
        }
        add(
            rule, field, converted(field, only, goal), "\(only.spoken): in no other unit is the example possible",
            .medium,
            as: member(rule, only.converted(number, to: goal)))
    }

    /// As long as from the start to the end is the time in bed, and not only the time asleep.
    private func member(_ rule: FieldRule, _ seconds: Double) -> String {
        guard rule.field == "asleep_seconds", let elapsed, abs(seconds - elapsed) <= elapsed * 0.01,
            isFree("in_bed_seconds"), !found.contains(where: { $0.field == "in_bed_seconds" })
        else { return rule.field }
        return "in_bed_seconds"
    }

    private func converted(_ field: ExampleField, _ unit: Measure.Unit, _ goal: Measure.Unit) -> String {
        unit == goal ? plain(field) : "convert(\(field.expression), \"\(unit.name)\", \"\(goal.name)\")"
    }

    private func plain(_ field: ExampleField) -> String {
        field.value.string == nil ? field.expression : "number(\(field.expression))"
    }

    // MARK: Times

    private mutating func takeMoment(_ field: ExampleField, _ rule: FieldRule) {
        switch ExampleTime(field.value) {
        case .instant(let hasOffset):
            add(
                rule, field, "dateTime(\(field.expression))",
                hasOffset ? "a time with its offset" : "a time without an offset, read as UTC", hasOffset ? .high : .low
            )
        case .seconds, .milliseconds:
            let unit = ExampleTime(field.value) == .seconds ? "seconds" : "milliseconds"
            add(rule, field, "dateTime(\(field.expression))", "\(unit) since 1970", .medium)
        case .day: leave(rule, field, "it is a day, and the model wants a moment")
        case nil: leave(rule, field, "it is no time that is known")
        }
    }

    private mutating func takeDay(_ field: ExampleField, _ rule: FieldRule) {
        switch ExampleTime(field.value) {
        case .day: add(rule, field, "localDate(\(field.expression))", "a day", .high)
        case .instant(let hasOffset):
            guard model == "daily" else { return }
            add(
                rule, field, "localDate(\(field.expression))",
                hasOffset ? "the day as it is written there" : "the day of a time without an offset",
                hasOffset ? .medium : .low)
        case .seconds, .milliseconds, nil:
            leave(rule, field, "it does not say a day in the person's own time")
        }
    }

    private func elapsedSeconds() -> Double? {
        func moment(_ name: String) -> Double? {
            guard let from = found.first(where: { $0.field == name })?.from,
                let value = candidates.first(where: { $0.place == from })?.value
            else { return nil }
            return ExampleTime.seconds(of: value)
        }
        guard let start = moment("start_at"), let end = moment("end_at"), end > start else { return nil }
        return end - start
    }

    // MARK: Keeping

    private mutating func add(
        _ rule: FieldRule, _ field: ExampleField, _ expression: String, _ because: String,
        _ confidence: ModelGuess.Confidence, as name: String? = nil
    ) {
        used.insert(field.place)
        guard !isTaken.contains(name ?? rule.field) else { return }
        found.append(
            ModelGuess.Field(
                field: name ?? rule.field, expression: expression, from: field.place, example: field.shown,
                because: because, confidence: confidence))
    }

    private mutating func leave(_ rule: FieldRule, _ field: ExampleField, _ because: String) {
        leftOut.append(
            ModelGuess.LeftOut(field: rule.field, from: field.place, example: field.shown, because: because))
    }

    private func text(_ number: Double) -> String {
        number == number.rounded() ? String(Int(number)) : String(number)
    }
}
