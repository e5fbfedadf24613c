import Foundation
import TerapiCore
import TestSupport
import Testing

@testable import TerapiScripts

struct EsbuildTests {
    @Test
    func `reads its messages with their places`() {
        let text = """
            ✘ [ERROR] Unexpected ";"

                github/syncs/b.ts:2:37:
                  2 │ export default soap.x + x; const y = ;
                    ╵                                      ^

            ✘ [ERROR] Could not resolve "soap"

                github/syncs/b.ts:1:17:
                  1 │ import soap from 'soap';
                    ╵                  ~~~~~~

              You can mark the path "soap" as external to exclude it from the bundle, which will remove this error.

            ✘ [ERROR] Something without a place

            3 errors
            """

        let mistakes = Esbuild.mistakes(in: text).map(\.description)

        #expect(
            mistakes == [
                #"github/syncs/b.ts:2:38: Unexpected ";""#,
                "github/syncs/b.ts:1:18: " + Esbuild.missing(module: "soap"),
                ":1:1: Something without a place",
            ])
    }

    @Test(arguments: [
        ("soap", #"run "npm install soap""#), ("@scope/name/part", #"run "npm install @scope/name""#),
        ("./helper.js", "there is no file"), ("fs", "belongs to Node"), ("node:http", "belongs to Node"),
    ])
    func `says what to do about a module that is missing`(module: String, expected: String) {
        #expect(Esbuild.missing(module: module).contains(expected))
    }

    @Test(arguments: [
        ("module.exports = require('nango').createSync({})", false), ("const a = require(\"node:crypto\");", false),
        ("const important = 1; exported(important); x.import = 2", false), ("import x from 'y';", true),
        ("  export default 1", true), ("const x = await import('nango')", true), ("const z = require('zod')", true),
        ("a();import{z}from 'zod'", true), ("require ( './helper' )", true), ("", false), ("imports", false),
    ])
    func `knows which JavaScript needs no bundling`(code: String, expected: Bool) {
        #expect(ImportScan.needsBundling(Array(code.utf8)) == expected)
    }

    @Test
    func `a program that is named is taken, and no other`() throws {
        let folder = try TemporaryFolder()
        let program = folder.file("bundler")
        try Data().write(to: URL(filePath: program))
        #expect(chmod(program, 0o755) == 0)
        let environment = ["PATH": "/usr/bin:/bin"]

        #expect(Esbuild(folder: "/", environment: environment, program: program).path?.hasSuffix("/bundler") == true)
        #expect(Esbuild(folder: "/", environment: environment, program: "/nowhere").path == nil)
        #expect(Esbuild(folder: "/", environment: environment).path != nil, "the control: one is installed")
    }

    @Test
    func `a missing program is an error that says how to install it`() async {
        let esbuild = Esbuild(folder: "/nowhere", environment: ["PATH": "/nowhere"])

        let error = await #expect(throws: TerapiError.self) { try await esbuild.run([], in: "/") }

        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains("apt-get install esbuild") == true)
    }
}
