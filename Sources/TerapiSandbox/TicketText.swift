import TerapiCore

/// The content of a ticket: made from its number alone, so that two sandboxes hold the same tickets.
struct TicketText {
    var subject: String
    var description: String
    var priority: String
    var status: String
    var channel: String
    var requesterID: Int
    var requesterName: String
    var requesterEmail: String
    var assigneeName: String?
    var tags: [String]
    var commentCount: Int

    init(number: Int) {
        var random = SplitMix64(seed: UInt64(bitPattern: Int64(number)))
        let product = Self.products.pick(&random)
        let problem = Self.problems.pick(&random)
        let first = Self.firstNames.pick(&random)
        let last = Self.lastNames.pick(&random)
        let company = Self.companies.pick(&random)
        subject = "\(product): \(problem.title)"
        var sentences = ["Hello, \(problem.story) in \(product)."]
        for _ in 0..<Int.random(in: 3...5, using: &random) { sentences.append(Self.details.pick(&random)) }
        sentences.append("Thanks, \(first) (\(company))")
        description = sentences.joined(separator: " ")
        priority = ["low", "normal", "normal", "high", "urgent"].pick(&random)
        status = ["new", "open", "open", "pending", "solved"].pick(&random)
        channel = ["email", "web", "chat", "phone"].pick(&random)
        requesterID = 500_000 + Int.random(in: 0..<4000, using: &random)
        requesterName = "\(first) \(last)"
        requesterEmail = "\(first).\(last)@\(company).example".lowercased()
        assigneeName = Bool.random(using: &random) ? Self.firstNames.pick(&random) : nil
        tags = Array(Self.tags.shuffled(using: &random).prefix(Int.random(in: 0...3, using: &random)))
        commentCount = Int.random(in: 0..<18, using: &random)
    }

    private static let products = [
        "Invoices", "Calendar", "Reports", "Mobile app", "Single sign-on", "Shared inbox", "Import", "Webhooks",
        "Dashboard", "Search", "Billing", "Time tracking",
    ]
    private static let problems: [(title: String, story: String)] = [
        ("export stops at 50 %", "the export of last month stops at 50 % and never comes back"),
        ("wrong time zone after the update", "since the update every entry shows up two hours late"),
        ("cannot invite a colleague", "the invitation mail for our new colleague does not arrive"),
        ("duplicate entries", "each entry appears twice after I edited one of them"),
        ("page stays blank", "the page stays blank when I open it with more than a hundred rows"),
        ("attachment is missing", "the PDF that a customer attached is not shown"),
        ("total does not add up", "the total differs from the sum of the lines by one cent"),
        ("signed out every few minutes", "I am signed out every few minutes and lose what I typed"),
        ("umlauts are broken", "names such as Jürgen Groß or Zoë arrive as question marks"),
        ("question about the limits", "I would like to know how many requests we may send per minute"),
    ]
    private static let details = [
        "It began on Tuesday morning and happens for everybody in our team.",
        "I tried another browser and a private window, with the same result.",
        "On the phone it works, on the desktop it does not.",
        "The message says \"something went wrong\" and shows a long number.",
        "We have a deadline on Friday, so a quick answer would help a lot.",
        "A screenshot and the console output are attached.",
        "Last week the same steps took about three seconds, now it is more than a minute.",
        "Our administrator has already cleared the cache and signed everybody out.",
        "It only concerns entries that were created before the migration.",
        "If there is a workaround, we are happy to use it until this is solved.",
    ]
    private static let firstNames = [
        "Amara", "Björn", "Chen", "Dalia", "Emre", "Fatou", "Grace", "Hiro", "Inés", "Jonas", "Katya", "Luis", "Maëlle",
        "Noor", "Olga", "Priya",
    ]
    private static let lastNames = [
        "Okafor", "Lindqvist", "Wei", "Haddad", "Yilmaz", "Diallo", "Murphy", "Tanaka", "Ortega", "Weber", "Ivanova",
        "Rossi",
    ]
    private static let companies = [
        "acme", "globex", "initech", "umbra", "northwind", "contoso", "tailspin", "fabrikam",
    ]
    private static let tags = ["vip", "bug", "billing", "trial", "mobile", "regression", "how-to", "escalated"]
}

/// A small random generator whose numbers depend on its seed only (Steele, Lea, Flood 2014).
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension Array {
    fileprivate func pick(_ random: inout SplitMix64) -> Element {
        self[Int.random(in: indices, using: &random)]
    }
}
