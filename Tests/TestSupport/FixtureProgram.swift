import Foundation

/// The programs that are built beside the tests.
package enum FixtureProgram {
    /// A program that is a script host and nothing else; a whole path.
    package static let scriptHost: String = {
        let folder = Bundle.main.executableURL?.deletingLastPathComponent().path ?? "."
        let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundleURL
        let candidates = [folder, bundle?.deletingLastPathComponent().path].compactMap { $0 }
        return candidates.map { $0 + "/script-host-fixture" }
            .first { FileManager.default.isExecutableFile(atPath: $0) } ?? "script-host-fixture"
    }()
}
