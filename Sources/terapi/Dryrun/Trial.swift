import TerapiCore
import TerapiScripts

/// Runs scripts of a folder by themselves, in the cage, with the server that it is given.
struct Trial: Sendable {
    private static let environmentID: Int64 = 1

    /// The folder of integrations.
    let folder: String
    let host: ScriptHost
    let environment: [String: String]

    init(folder: String, environment: [String: String]) throws {
        self.folder = folder
        self.environment = environment
        host = try ScriptHost(executable: Executable.path(), arguments: [ScriptHostProcess.argument])
    }

    /// Starts the process ahead of its first run.
    func warmUp() async throws {
        try await host.warmUp(environmentID: Self.environmentID)
    }

    /// The text of each script, or why there is none.
    /// - Throws: `TerapiError(.invalidConfiguration)` when esbuild is needed and missing.
    func codes(of files: [ScriptFile]) async throws -> [ScriptFile: Result<String, any Error>] {
        let bundler = ScriptBundler(
            folder: folder,
            cache: BundleCache.ofPerson(folder: folder, environment: environment),
            modules: host.modules,
            environment: environment,
            esbuild: try await Settings.text("esbuild", environment: environment)
        )
        var results: [ScriptFile: Result<String, any Error>] = [:]
        var scripts: [ScriptFile] = []
        for file in files {
            if file.language == .yaml || file.language == .yml {
                results[file] = Result { try SyncFile(reading: file, in: folder).definition.code }
            } else {
                scripts.append(file)
            }
        }
        let (codes, mistakes) = try await bundler.bundle(scripts)
        for file in scripts {
            if let code = codes[file] {
                results[file] = .success(code)
            } else if scripts.count == 1 {
                results[file] = .failure(SyncFile.error(mistakes))
            } else {
                // A mistake in one leaves all without a bundle that were to be made with it.
                let (codes, mistakes) = try await bundler.bundle([file])
                results[file] = codes[file].map { .success($0) } ?? .failure(SyncFile.error(mistakes))
            }
        }
        return results
    }

    /// - Throws: `TerapiError(.invalidDefinition)` with the mistakes of the bundling.
    func code(of file: ScriptFile) async throws -> String {
        guard let result = try await codes(of: [file])[file] else { throw SyncFile.error([]) }
        return try result.get()
    }

    /// - Returns: what the script returned.
    func run(
        _ file: ScriptFile,
        code: String,
        functions: DryrunFunctions,
        input: JSONValue?,
        timeout: Duration? = nil
    ) async throws -> JSONValue {
        let printed = try await host.run(
            ScriptInvocation(
                environmentID: Self.environmentID,
                kind: file.kind,
                name: "\(file.integrationKey)/\(file.name)",
                code: code,
                properties: functions.properties,
                input: input,
                timeout: timeout ?? Self.timeout(file.kind)
            ),
            functions: functions
        )
        return try JSONReader.read(printed)
    }

    /// As long as a server would let it run.
    private static func timeout(_ kind: ScriptInvocation.Kind) -> Duration {
        switch kind {
        case .sync: .seconds(86_400)
        case .action: .seconds(900)
        default: .seconds(300)
        }
    }
}
