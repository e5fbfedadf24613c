import TerapiCore

/// Asks scripts what they declare, in a script host: nothing of a script runs in the server's own process.
struct ScriptDescriber: Sendable {
    /// Scripts that are asked at the same time.
    private static let width = 8

    let host: ScriptHost
    let cache: BundleCache?
    /// Scripts of a folder belong to no environment.
    var environmentID: Int64 = 0

    /// What a script said: its declaration, or why there is none.
    typealias Answer = Result<JSONValue, TerapiError>

    /// Answers of an unchanged script come from the cache.
    func descriptions(of codes: [ScriptFile: String]) async -> [ScriptFile: Answer] {
        await withTaskGroup(of: (ScriptFile, Answer).self) { group in
            var answers: [ScriptFile: Answer] = [:]
            var rest = codes.makeIterator()
            func askNext() {
                guard let (file, code) = rest.next() else { return }
                group.addTask { (file, await description(of: file, code: code)) }
            }
            for _ in 0..<Self.width { askNext() }
            for await (file, answer) in group {
                answers[file] = answer
                askNext()
            }
            return answers
        }
    }

    private func description(of file: ScriptFile, code: String) async -> Answer {
        let path = cache.map { "\($0.folder)/\(file.cacheName).declared.json" }
        // The header names the modules by their hashes, so the text stands for everything that the answer depends on.
        let hash = SharedModules.hash(Array(code.utf8))
        if let path, let bytes = FileContents.read(path), let kept = try? JSONReader.read(bytes),
            kept["code"]?.string == hash, let declared = kept["declared"]
        {
            return .success(declared)
        }
        do {
            let declared = try await ask(file, code)
            if let path {
                _ = FileContents.write(
                    JSONValue.object(["code": .string(hash), "declared": declared]).encoded(),
                    to: path
                )
            }
            return .success(declared)
        } catch let error as TerapiError {
            return .failure(error)
        } catch {
            return .failure(TerapiError(.scriptError, "\(file.path) could not be read.", cause: error))
        }
    }

    private func ask(_ file: ScriptFile, _ code: String) async throws -> JSONValue {
        let output = try await host.run(
            ScriptInvocation(
                environmentID: environmentID,
                kind: .describe,
                name: "\(file.integrationKey)/\(file.name)",
                code: code,
                properties: [:],
                timeout: .seconds(30)
            ),
            functions: NoFunctions()
        )
        return try JSONReader.read(output)
    }
}

/// A script that is only asked may reach nothing.
struct NoFunctions: ScriptFunctions {
    func send(_ request: ScriptRequest) async throws -> ScriptResponse {
        throw TerapiError(.scriptError, "A script may send a request only in exec.")
    }

    func change(_ change: ScriptRecordChange) async throws {
        throw TerapiError(.scriptError, "A script may save records only in exec.")
    }

    func call(_ name: String, arguments: [JSONValue]) async throws -> JSONValue {
        guard name == "log" else { throw TerapiError(.scriptError, "A script may call \(name) only in exec.") }
        return .null
    }
}
