import TerapiCore
import TerapiScripts

/// One test of a script, run against what was recorded.
struct ScriptTestRun: Sendable {
    private static let shownDifferences = 20
    /// Answers come at once: what takes longer computes for ever.
    private static let timeout = Duration.seconds(60)

    let test: ScriptTest
    /// What came of it.
    let result: JSONObject
    let failure: DryrunFailure?
    let unexpected: [RecordedRequest]
    let missing: [Exchange]
    let used: [Exchange]

    init(_ test: ScriptTest, file: ScriptFile, code: Result<String, any Error>, trial: Trial) async {
        var facts = DryrunFacts()
        facts.integrationKey = file.integrationKey
        facts.connection = test.facts["connection"]
        facts.metadata = test.facts["metadata"]
        facts.checkpoint = test.facts["checkpoint"]
        facts.token = test.facts["token"]
        facts.variables = test.facts["variables"]
        facts.paginate = test.facts["paginate"]
        facts.now = test.facts["now"]
        facts.webhookURL = test.facts["webhook_url"]
        let server = ReplayServer(test)
        let functions = DryrunFunctions(server: server, facts: facts)
        var output: JSONValue = .null
        var failure: DryrunFailure?
        do {
            output = try await trial.run(
                file,
                code: try code.get(),
                functions: functions,
                input: test.facts["input"],
                timeout: Self.timeout
            )
        } catch {
            failure = DryrunFailure(error)
        }
        let report = DryrunReport(
            output: output, failure: failure, functions: functions, name: file.name, duration: .zero)
        self.test = test
        self.failure = failure
        result = ScriptTest.result(of: report.document, facts: test.facts)
        unexpected = server.replay.unexpected
        missing = server.replay.missing
        used = server.replay.used
    }

    var hasPassed: Bool { differences.isEmpty && unexpected.isEmpty && missing.isEmpty }

    private var differences: [JSONDifference] {
        JSONDifference.between(.object(test.result), .object(result))
    }

    /// What is not as it was recorded, for people.
    var report: [String] {
        var lines: [String] = []
        for request in unexpected { lines.append("sent, though not recorded: \(request.summary)") }
        for exchange in missing { lines.append("recorded, though not sent: \(exchange.request.summary)") }
        let differences = differences
        for difference in differences.prefix(Self.shownDifferences) {
            lines += difference.description.split(separator: "\n").map(String.init)
        }
        if differences.count > Self.shownDifferences {
            lines.append("and \(differences.count - Self.shownDifferences) more differences")
        }
        if let failure, test.result["error"] == nil { lines.append("it failed: \(failure.text)") }
        return lines
    }

    /// The test as it would have to be for this run to pass.
    var accepted: ScriptTest {
        var test = test
        test.exchanges = used
        test.result = result
        return test
    }
}
