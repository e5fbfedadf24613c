import Foundation
import Synchronization
import TerapiCore
import TerapiScripts

/// Runs what would be written against the examples, and makes the tests of it.
struct PartnerTrial {
    /// Each round leaves out at least one member: a model has no more than these.
    private static let maxRounds = 40

    /// - Returns: the files, without the guesses that the models do not take, and the tests of the scripts.
    /// - Throws: `TerapiError(.invalidConfiguration)` when what a person said cannot be run.
    func tests(of answers: PartnerAnswers) async throws -> (PartnerFiles, [TemplateFile]) {
        let trial = try Trial(folder: ".", environment: [:])
        defer { trial.host.stop() }
        var without: [String: Set<String>] = [:]
        for _ in 1...Self.maxRounds {
            let files = try PartnerFiles(answers, without: without)
            var tests: [TemplateFile] = []
            var refused: [String: Set<String>] = [:]
            for one in files.trials {
                let test = try await test(one, text: text(of: one, in: files), trial: trial)
                tests.append(
                    TemplateFile(
                        path: "integrations/\(ScriptTest.path(one.file.name, integrationKey: one.file.integrationKey))",
                        text: test.text))
                let guessed =
                    files.guesses.first { $0.type == one.file.name }?.guess.fields.filter { $0.from != nil } ?? []
                let wrong = members(that: one.model, refusesIn: test).intersection(guessed.map(\.field))
                if !wrong.isEmpty { refused[one.file.name] = wrong }
            }
            if refused.isEmpty { return (files, tests) }
            without.merge(refused) { $0.union($1) }
        }
        throw TerapiError(.serverError, "No mapping of the examples fits the standard models.")
    }

    private func text(of one: PartnerFiles.Trial, in files: PartnerFiles) -> String {
        files.files.first { $0.path == "integrations/\(one.file.path)" }?.text ?? ""
    }

    private func test(_ one: PartnerFiles.Trial, text: String, trial: Trial) async throws -> ScriptTest {
        // Plain JavaScript: no bundler is needed to try it.
        let code =
            one.file.kind == .sync
            ? try SyncFile(text, file: one.file.path, integrationKey: one.file.integrationKey, name: one.file.name)
                .definition.code : text
        var facts = DryrunFacts()
        facts.integrationKey = one.file.integrationKey
        facts.connection = one.facts["connection"]
        facts.metadata = one.facts["metadata"]
        facts.checkpoint = one.facts["checkpoint"]
        facts.now = one.facts["now"]
        let server = RecordingServer(ExampleServer(one))
        do {
            _ = try await trial.run(
                one.file, code: code, functions: DryrunFunctions(server: server, facts: facts), input: nil,
                timeout: .seconds(60))
        } catch {
            throw TerapiError(
                .invalidConfiguration,
                "\(one.file.name) cannot be read out of its example: \(DryrunFailure(error).text)")
        }
        let recorded = ScriptTest(
            script: one.file.name, kind: one.file.kind, facts: one.facts, exchanges: server.exchanges, result: [:])
        return await ScriptTestRun(recorded, file: one.file, code: .success(code), trial: trial).accepted
    }

    /// The members of saved records that their model does not take.
    private func members(that model: StandardModel?, refusesIn test: ScriptTest) -> Set<String> {
        guard let model else { return [] }
        let schema = JSONSchema(model.document)
        let records = test.result["saved"]?[model.name]?.array ?? []
        return Set(records.flatMap { schema.issues(with: $0).compactMap(\.path.first) })
    }
}

/// The partner, as far as one example shows it: the first answer is the example, every other one the end of the list.
private final class ExampleServer: DryrunServer {
    private let trial: PartnerFiles.Trial
    private let isFirst = Mutex(true)

    init(_ trial: PartnerFiles.Trial) {
        self.trial = trial
    }

    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        let isFirst = isFirst.withLock { first in
            defer { first = false }
            return first
        }
        let body = isFirst ? trial.answer : trial.end
        return ScriptResponse(status: 200, headers: [("content-type", "application/json")], body: body.encoded())
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue? { nil }
}
