/// What a number may measure, with the units in which sources write it.
enum Measure: Sendable {
    case duration
    /// Of a way.
    case distance
    case height
    case climb
    case mass
    case energy
    case speed
    case ratio
    case glucose
    case pressure
    case temperature

    struct Unit: Sendable, Equatable {
        /// As `convert` knows it.
        var name: String
        /// For people.
        var spoken: String
        /// The words by which a field names it.
        var words: [String]
        /// How many of the measure's own unit it is, and where its zero lies.
        var factor: Double
        var zero: Double = 0
        /// Below this nobody would write it in this unit.
        var least: Double = 0

        func converted(_ value: Double, to target: Unit) -> Double {
            (value * factor + zero - target.zero) / target.factor
        }
    }

    var units: [Unit] {
        switch self {
        case .duration:
            [
                Unit(name: "s", spoken: "seconds", words: ["second", "s"], factor: 1, least: 1),
                Unit(name: "ms", spoken: "milliseconds", words: ["ms"], factor: 0.001, least: 60_000),
                Unit(name: "min", spoken: "minutes", words: ["minute", "min"], factor: 60, least: 1),
                Unit(name: "h", spoken: "hours", words: ["hour", "h"], factor: 3600),
            ]
        case .distance, .climb, .height:
            [
                Unit(name: "m", spoken: "meters", words: ["meter", "m"], factor: 1),
                Unit(name: "km", spoken: "kilometers", words: ["km"], factor: 1000),
                Unit(name: "mi", spoken: "miles", words: ["mile"], factor: 1609.344),
                Unit(name: "cm", spoken: "centimeters", words: ["cm"], factor: 0.01),
                Unit(name: "mm", spoken: "millimeters", words: ["mm"], factor: 0.001),
                Unit(name: "ft", spoken: "feet", words: ["foot"], factor: 0.3048),
                Unit(name: "in", spoken: "inches", words: ["inch"], factor: 0.0254),
                Unit(name: "yd", spoken: "yards", words: ["yd", "yard", "yards"], factor: 0.9144),
            ]
        case .mass:
            [
                Unit(name: "kg", spoken: "kilograms", words: ["kg"], factor: 1),
                Unit(name: "g", spoken: "grams", words: ["g"], factor: 0.001),
                Unit(name: "lb", spoken: "pounds", words: ["lb"], factor: 0.45359237),
                Unit(name: "st", spoken: "stones", words: ["stone", "st"], factor: 6.35029318),
            ]
        case .energy:
            [
                Unit(name: "kcal", spoken: "kilocalories", words: ["kcal", "kilocalories", "kilocalorie"], factor: 1),
                Unit(name: "kj", spoken: "kilojoules", words: ["kj"], factor: 1 / 4.184),
                Unit(name: "cal", spoken: "small calories", words: ["cal"], factor: 0.001),
                Unit(name: "j", spoken: "joules", words: ["j"], factor: 1 / 4184),
            ]
        case .speed:
            [
                Unit(name: "mps", spoken: "meters a second", words: ["mps"], factor: 1),
                Unit(name: "kmh", spoken: "kilometers an hour", words: ["kmh"], factor: 1 / 3.6),
                Unit(name: "mph", spoken: "miles an hour", words: ["mph"], factor: 0.44704),
                Unit(name: "mmps", spoken: "millimeters a second", words: ["mmps"], factor: 0.001),
            ]
        case .ratio:
            [
                Unit(name: "percent", spoken: "percent", words: ["percent"], factor: 1),
                Unit(name: "fraction", spoken: "a fraction of one", words: ["fraction"], factor: 100),
            ]
        case .glucose:
            [
                Unit(name: "mg_dl", spoken: "mg/dL", words: ["mg_dl", "mgdl"], factor: 1),
                Unit(name: "mmol_l", spoken: "mmol/L", words: ["mmol_l", "mmol"], factor: 18.0156),
            ]
        case .pressure:
            [
                Unit(name: "mmhg", spoken: "mmHg", words: ["mmhg"], factor: 1),
                Unit(name: "kpa", spoken: "kPa", words: ["kpa"], factor: 7.50061683),
            ]
        case .temperature:
            [
                Unit(name: "celsius", spoken: "degrees Celsius", words: ["celsius", "c"], factor: 1),
                Unit(
                    name: "fahrenheit", spoken: "degrees Fahrenheit", words: ["fahrenheit", "f"], factor: 5.0 / 9,
                    zero: -160.0 / 9),
                Unit(name: "kelvin", spoken: "kelvins", words: ["kelvin", "k"], factor: 1, zero: -273.15),
            ]
        }
    }

    /// In which units a field without a name of one may be.
    var unnamed: [String] {
        switch self {
        case .distance: ["m", "km", "mi"]
        case .climb: ["m", "ft"]
        case .height: ["cm", "m", "in", "ft"]
        default: units.map(\.name)
        }
    }

    /// Words beside a measure that add nothing.
    var fillers: Set<String> {
        switch self {
        case .duration: ["time", "duration", "in", "total", "stage", "state", "period", "phase", "length"]
        case .distance: ["total", "in", "distance", "covered"]
        case .energy: ["total", "burned", "energy", "calorie", "expenditure", "burn", "spent", "in"]
        case .height, .climb, .mass, .temperature, .glucose, .pressure, .ratio: ["in", "level", "total", "body"]
        case .speed: ["in"]
        }
    }
}
