import TerapiCore

extension ScriptBundler {
    /// A script that was compiled by itself.
    struct Compiled {
        var code = ""
        var map: String?
        /// Shared packages that the code requires: the hash of the text of each.
        var modules: [String: String] = [:]
        var mistakes: [DefinitionMistake] = []
    }

    /// Compiles one script without reading any file that it names: who sends a script to a server must not see the
    /// server's files by importing them.
    func compileAlone(_ code: [UInt8], as file: ScriptFile) async throws -> Compiled {
        guard file.language != .javaScript || ImportScan.needsBundling(code) else {
            return Compiled(code: String(decoding: code, as: UTF8.self))
        }
        var compiled = try await inScratchFolder { scratch in
            let text = String(decoding: code, as: UTF8.self)
                // esbuild would read the file that such a comment names.
                .replacing("sourceMappingURL", with: "sourceMappingUrl")
            guard FileContents.write(Array(text.utf8), to: "\(scratch)/\(file.fileName)") else {
                throw Self.noScratch(scratch)
            }
            let out = "\(scratch)/out/\(file.name).js"
            let mistakes = try await esbuild.run(
                ["./\(file.fileName)", "--outfile=\(out)"] + Esbuild.optionsAlone + [try settings(in: scratch)],
                in: scratch
            )
            guard mistakes.isEmpty else { return Compiled(mistakes: mistakes) }
            guard let code = FileContents.read(out) else {
                throw TerapiError(.serverError, "esbuild wrote no bundle of \(file.path).")
            }
            let map = FileContents.read("\(out).map").flatMap { try? JSONReader.read($0) }
            return Compiled(
                code: String(decoding: code, as: UTF8.self),
                map: map?["mappings"].map { mappings in
                    let sources = JSONValue([file.fileName])
                    return JSONValue.object(["version": 3, "sources": sources, "mappings": mappings]).text()
                }
            )
        }
        var hashes = FileHashes()
        for module in Self.packages(in: compiled.code) {
            do {
                compiled.modules[module] = try await shareAlone(module, hashes: &hashes)
            } catch let missing as MissingModule {
                compiled.mistakes.append(
                    DefinitionMistake(file: file.path, line: 1, column: 1, message: missing.message)
                )
            }
        }
        return compiled
    }

    /// The shared packages that compiled code requires, each by a plain name.
    private static func packages(in code: String) -> Set<String> {
        let names = code.matches(of: #/require\("(@?[a-z0-9-]+(?:/[a-z0-9-]+)*)"\)/#).map { String($0.output.1) }
        return Set(names.filter(Esbuild.isShared))
    }
}
