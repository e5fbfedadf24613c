import ArgumentParser
import TerapiCore
import TerapiScripts

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Runs scripts against what was recorded of them, or records it.
struct Test: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run scripts against their recorded exchanges, without any network.",
        discussion: """
            A test is a file, integrations/<integration>/tests/<script>.test.json: what the script begins with, each \
            request that it sends with its answer, and what must come of it. `terapi test` runs every script of which \
            there is one; names choose some: a script, or integration/script. It ends with status 1 when anything has \
            come out differently.

            terapi test --record INTEGRATION SCRIPT runs the script as terapi dryrun does and keeps the exchanges as \
            its test. Authorization headers are left out, and secrets that are known or named so are replaced: still \
            look into the file before you share it.
            """
    )

    @Option(name: [.customLong("integrations-dir"), .customLong("integrations")], help: "Folder of integrations.")
    var integrations = "integrations"

    @Flag(help: "Take what came out as what must come out.")
    var update = false

    @Flag(help: "Run one script for real and keep its exchanges.")
    var record = false

    @Option(name: .customLong("as"), help: "With --record: a label, where a script has several tests.")
    var label: String?

    @Option(help: "With --record: sync, action or on-event, where the name is not enough.")
    var kind: String?

    @Flag(help: "With --record: the script is expected to fail.")
    var failing = false

    @OptionGroup(title: "With --record: where requests go")
    var target: DryrunTarget

    @OptionGroup(title: "With --record: what it begins with")
    var input: DryrunInput

    @Argument(help: "Scripts: name or integration/name. With --record: INTEGRATION SCRIPT.")
    var names: [String] = []

    func run() async throws {
        do {
            if record {
                try await recordOne()
            } else {
                try await runAll()
            }
        } catch let error as TerapiError {
            throw ExitWithMessage(error)
        }
    }

    // MARK: Running

    private struct Case {
        /// The file of the test.
        var path: String
        var title: String
        var test: ScriptTest
        /// `nil` when the script is gone.
        var file: ScriptFile?
    }

    private func runAll() async throws {
        let cases = try cases()
        guard !cases.isEmpty else {
            throw ExitWithMessage(
                "There is no test in \(integrations). Make one with terapi test --record INTEGRATION SCRIPT --base-url "
                    + "URL, or with --connection-id."
            )
        }
        let trial = try Trial(folder: integrations, environment: ProcessInfo.processInfo.environment)
        defer { trial.host.stop() }
        let codes = try await trial.codes(of: cases.compactMap(\.file))
        var failed: [Case] = []
        for one in cases {
            guard let file = one.file, let code = codes[file] else {
                print("FAIL  \(one.title)")
                print("      \(one.path) tests a \(one.test.kind.rawValue) that is not there")
                failed.append(one)
                continue
            }
            let run = await ScriptTestRun(one.test, file: file, code: code, trial: trial)
            if run.hasPassed {
                print("ok    \(one.title)")
            } else if update, run.unexpected.isEmpty {
                try OwnedFile.replace(one.path, with: run.accepted.text)
                print("new   \(one.title)")
            } else {
                print("FAIL  \(one.title)")
                for line in run.report { print("      \(line)") }
                failed.append(one)
            }
        }
        guard !failed.isEmpty else { return print("\(cases.count) in order.") }
        print("\(failed.count) of \(cases.count) failed.")
        print(
            update
                ? "Requests that were not recorded cannot be accepted: record the test again with terapi test --record."
                : "What is meant to be so is accepted by: terapi test --update"
                    + failed.map { " \($0.title)" }.joined()
        )
        throw ExitCode(1)
    }

    private func cases() throws -> [Case] {
        var cases: [Case] = []
        let files = FileManager.default
        guard let folders = try? files.contentsOfDirectory(atPath: integrations) else {
            throw ExitWithMessage("There is no folder of integrations at \(integrations).")
        }
        for integration in folders.sorted() {
            let folder = "\(integrations)/\(integration)/tests"
            let names = ((try? files.contentsOfDirectory(atPath: folder)) ?? []).sorted()
            for name in names where name.hasSuffix(ScriptTest.suffix) {
                let path = "\(folder)/\(name)"
                guard let bytes = OwnedFile.read(path) else { throw ExitWithMessage("\(path) cannot be read.") }
                let test = try ScriptTest(bytes, file: path)
                cases.append(
                    Case(
                        path: path,
                        title: "\(integration)/\(name.dropLast(ScriptTest.suffix.count))",
                        test: test,
                        file: ScriptFile.find(
                            test.script, kind: test.kind, integrationKey: integration, in: integrations)
                    )
                )
            }
        }
        guard !names.isEmpty else { return cases }
        func chosen(_ one: Case, by name: String) -> Bool {
            let integration = one.title.prefix { $0 != "/" }
            return [one.test.script, "\(integration)/\(one.test.script)", one.title].contains(name)
        }
        for name in names where !cases.contains(where: { chosen($0, by: name) }) {
            throw ExitWithMessage(
                "There is no test of \"\(name)\" in \(integrations). terapi test --record INTEGRATION SCRIPT makes one."
            )
        }
        return cases.filter { one in names.contains { chosen(one, by: $0) } }
    }

    // MARK: Recording

    private func recordOne() async throws {
        guard names.count == 2 else { throw ExitWithMessage("--record takes an integration and a script.") }
        let (integration, script) = (names[0], names[1])
        let file = try file(script, of: integration)
        let path = "\(integrations)/\(ScriptTest.path(script, integrationKey: integration, label: label))"
        if let known = OwnedFile.read(path), let test = try? ScriptTest(known, file: path), test.kind != file.kind {
            throw ExitWithMessage("\(path) tests the \(test.kind.rawValue) of this name. Choose a label with --as.")
        }
        var facts = try input.facts(integrationKey: integration)
        let scriptInput = try input.scriptInput()
        let server = RecordingServer(try await target.server(&facts, mayAsk: true))
        // What the script asks for may depend on the time: the test's clock stands where this one stood.
        facts.now = facts.now ?? JSONValue(SystemClock().now)
        let trial = try Trial(folder: integrations, environment: ProcessInfo.processInfo.environment)
        defer { trial.host.stop() }
        let code = try await trial.code(of: file)
        let functions = DryrunFunctions(server: server, facts: facts)
        do {
            _ = try await trial.run(file, code: code, functions: functions, input: scriptInput)
        } catch  where !failing {
            throw ExitWithMessage(
                "\(DryrunFailure(error).text)\nNothing was recorded. If that is what must happen, add --failing.")
        } catch {}

        let recorded = test(file, facts, scriptInput, server)
        let run = await ScriptTestRun(recorded, file: file, code: .success(code), trial: trial)
        guard run.unexpected.isEmpty, run.missing.isEmpty else {
            let lines = run.report.filter { $0.contains("recorded") }
            throw ExitWithMessage(
                (["\(integration)/\(script) did not send the same when it ran again. Nothing was recorded."] + lines
                    + ["A test needs a script whose requests follow from its input, its answers and its clock alone."])
                    .joined(separator: "\n")
            )
        }
        let isNew = OwnedFile.read(path) == nil
        try OwnedFile.replace(path, with: run.accepted.text)
        print("\(isNew ? "Made" : "Replaced") \(path): \(run.used.count) exchanges. Look into it before you share it.")
    }

    private func file(_ script: String, of integration: String) throws -> ScriptFile {
        let kinds: [ScriptInvocation.Kind] = [.sync, .action, .onEvent]
        let wanted = kind.map { name in kinds.filter { $0.rawValue == name } } ?? kinds
        let found = wanted.compactMap {
            ScriptFile.find(script, kind: $0, integrationKey: integration, in: integrations)
        }
        guard let file = found.first else {
            throw ExitWithMessage(
                "There is no script \"\(script)\" of the integration \"\(integration)\" in \(integrations)."
            )
        }
        guard found.count == 1 else {
            let kinds = found.map(\.kind.rawValue).joined(separator: " and ")
            throw ExitWithMessage("There is a \(kinds) of the name \"\(script)\". Choose one with --kind.")
        }
        return file
    }

    /// What was recorded, without secrets.
    private func test(
        _ file: ScriptFile, _ facts: DryrunFacts, _ scriptInput: JSONValue?, _ server: RecordingServer
    ) -> ScriptTest {
        var secrets = SecretRemoval(known: target.headerValues)
        for value in [facts.token, facts.variables, facts.connection?["credentials"]].compactMap(\.self) {
            secrets.learnAll(value)
        }
        for call in server.calls {
            if call.name == "getToken" { secrets.learnAll(call.result) }
            if call.name == "getEnvironmentVariables" {
                for variable in call.result.array ?? [] { secrets.learnAll(variable["value"] ?? .null) }
            }
            if let credentials = call.result["credentials"] { secrets.learnAll(credentials) }
        }
        secrets.learn(from: server.exchanges)
        var kept: JSONObject = [:]
        kept["now"] = facts.now
        kept["input"] = scriptInput
        kept["connection"] = facts.connection
        kept["metadata"] = facts.metadata.flatMap { $0.object?.isEmpty == true ? nil : $0 }
        kept["checkpoint"] = facts.checkpoint
        kept["token"] = facts.token
        kept["variables"] = facts.variables
        kept["paginate"] = facts.paginate
        kept["webhook_url"] = facts.webhookURL
        return ScriptTest(
            script: file.name,
            kind: file.kind,
            facts: secrets.clean(kept),
            calls: server.calls.map { call in
                ScriptTest.Call(
                    name: call.name, arguments: call.arguments.map(secrets.clean), result: secrets.clean(call.result))
            },
            exchanges: server.exchanges.map(secrets.clean),
            result: [:]
        )
    }
}
