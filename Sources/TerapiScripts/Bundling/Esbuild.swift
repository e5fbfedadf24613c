import TerapiCore

/// The program `esbuild`, which makes one JavaScript file of a script and what it imports.
public struct Esbuild: Sendable {
    /// Where the program is; `nil` when it is not installed.
    let path: String?
    /// What the program is started with: where modules are looked for, and nothing else of ours.
    private(set) var environment: [String: String]

    /// Looks for the program in `PATH`, then in `node_modules/.bin` beside the folder and above it.
    /// - Parameter program: where it is; then it is looked for nowhere else.
    public init(folder: String, environment: [String: String], program: String? = nil) {
        var candidates = (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/esbuild" }
        candidates += FilePath.foldersUp(from: folder).map { "\($0)/node_modules/.bin/esbuild" }
        // It is started in another folder than this one.
        if let program { candidates = [FileContents.realPath(program)] }
        path = candidates.first(where: FileContents.isExecutable)
        self.environment = environment.filter { ["PATH", "HOME", "NODE_PATH", "TMPDIR"].contains($0.key) }
    }

    /// Makes the program look for packages in this folder.
    mutating func setNodePath(_ folder: String) {
        environment["NODE_PATH"] = folder
    }

    /// Modules that the host provides.
    static let provided = [
        "nango", "terapi", "crypto", "node:crypto", "url", "node:url", "buffer", "node:buffer",
    ]

    /// Packages that many scripts of a folder share; see ``SharedModules``.
    static let shared = ["zod"]

    static func isShared(_ module: String) -> Bool {
        shared.contains { module == $0 || module.hasPrefix("\($0)/") }
    }

    /// What every bundle is made with.
    static let options =
        [
            "--bundle", "--format=cjs", "--platform=neutral", "--main-fields=module,main", "--target=es2022",
            // `await import('nango')` becomes a call of `require`: the host has no loader of modules.
            "--supported:dynamic-import=false", "--charset=utf8",
            "--sourcemap=external", "--sources-content=false",
            "--log-level=error", "--log-limit=0", "--color=false",
        ] + provided.map { "--external:\($0)" }

    /// What a script is compiled with that is not bundled: nothing that it names is read.
    static let optionsAlone = [
        "--format=cjs", "--platform=neutral", "--target=es2022", "--supported:dynamic-import=false", "--charset=utf8",
        "--sourcemap=external", "--sources-content=false", "--log-level=error", "--log-limit=0", "--color=false",
    ]

    static let externalShared = shared.flatMap { ["--external:\($0)", "--external:\($0)/*"] }

    /// - Parameter folder: where it begins; the paths in its messages are relative to this.
    /// - Returns: the mistakes that it found, in the files of the author.
    /// - Throws: `TerapiError(.invalidConfiguration)` when the program is missing, `.serverError` when it fails otherwise.
    func run(_ arguments: [String], in folder: String) async throws -> [DefinitionMistake] {
        guard let path else { throw Self.missing }
        let ending = try await ChildProgram.run(path, arguments, in: folder, environment: environment)
        guard ending.status != 0 else { return [] }
        let mistakes = Self.mistakes(in: ending.errorText)
        guard !mistakes.isEmpty else {
            throw TerapiError(
                .serverError,
                "\(path) failed with status \(ending.status): \(ending.errorText.prefix(2000))"
            )
        }
        return mistakes
    }

    static let missing = TerapiError(
        .invalidConfiguration,
        """
        esbuild is missing, and scripts in TypeScript need it. Install it with "apt-get install esbuild" (Debian, \
        Ubuntu), "brew install esbuild" (macOS) or "npm install esbuild", or name its place in TERAPI_ESBUILD.
        """
    )

    /// Reads the messages as they are printed for people: what is wrong on one line, where it is two lines below.
    static func mistakes(in text: String) -> [DefinitionMistake] {
        var mistakes: [DefinitionMistake] = []
        var message: String?
        func take(file: String = "", line: Int = 1, column: Int = 1) {
            guard let found = message else { return }
            message = nil
            mistakes.append(DefinitionMistake(file: file, line: line, column: column, message: explained(found)))
        }
        for line in text.split(separator: "\n", omittingEmptySubsequences: true) {
            if let mark = line.firstRange(of: "[ERROR] ") {
                take()
                message = String(line[mark.upperBound...])
            } else if message != nil, line.hasPrefix("    "), line.hasSuffix(":") {
                let parts = line.dropFirst(4).dropLast().split(separator: ":", omittingEmptySubsequences: false)
                guard parts.count >= 3, let row = Int(parts[parts.count - 2]), let column = Int(parts[parts.count - 1])
                else { continue }
                take(file: parts.dropLast(2).joined(separator: ":"), line: row, column: column + 1)
            }
        }
        take()
        return mistakes
    }

    /// Says what to do where the program only says what it could not.
    private static func explained(_ message: String) -> String {
        let mark = "Could not resolve \""
        guard message.hasPrefix(mark), message.hasSuffix("\"") else { return message }
        return missing(module: String(message.dropFirst(mark.count).dropLast()))
    }

    static func missing(module: String) -> String {
        if module.hasPrefix(".") || module.hasPrefix("/") { return "there is no file \"\(module)\" to import" }
        let name = module.hasPrefix("node:") ? String(module.dropFirst(5)) : module
        if module.hasPrefix("node:") || nodeModules.contains(name) {
            return "the module \"\(module)\" belongs to Node and does not exist here; scripts may import "
                + provided.filter { !$0.hasPrefix("node:") }.joined(separator: ", ")
                + " and what npm has installed"
        }
        let parts = module.split(separator: "/")
        let package = parts.prefix(module.hasPrefix("@") ? 2 : 1).joined(separator: "/")
        return "the module \"\(module)\" is not installed: run \"npm install \(package)\" beside the integrations, or "
            + "name the folder that has it in NODE_PATH"
    }

    private static let nodeModules: Set<String> = [
        "assert", "async_hooks", "child_process", "cluster", "dgram", "dns", "events", "fs", "fs/promises", "http",
        "http2", "https", "inspector", "module", "net", "os", "path", "perf_hooks", "process", "punycode",
        "querystring", "readline", "repl", "stream", "stream/promises", "string_decoder", "timers", "timers/promises",
        "tls", "tty", "util", "v8", "vm", "worker_threads", "zlib",
    ]
}

/// Paths as texts, without asking the disk.
enum FilePath {
    /// The folder itself and those above it.
    static func foldersUp(from folder: String) -> [String] {
        var folders = [folder]
        while let slash = folders[folders.count - 1].lastIndex(of: "/") {
            let above = String(folders[folders.count - 1][..<slash])
            folders.append(above)
            if above.isEmpty { break }
        }
        return folders
    }

    /// The path without `.` and `..`; relative paths are read from the folder, which is a whole path.
    static func whole(_ path: String, from folder: String) -> String {
        var steps: [Substring] = []
        for step in (path.hasPrefix("/") ? path : "\(folder)/\(path)").split(separator: "/") {
            if step == ".." { _ = steps.popLast() } else if step != "." { steps.append(step) }
        }
        return "/" + steps.joined(separator: "/")
    }

    static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }

    /// The path from the folder on, when it is inside.
    static func inside(_ path: String, of folder: String) -> String? {
        path.hasPrefix("\(folder)/") ? String(path.dropFirst(folder.count + 1)) : nil
    }
}
