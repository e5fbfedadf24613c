import ArgumentParser
import TerapiCore

/// What scripts get by `getEnvironmentVariables()`.
struct Variables: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, set and unset the variables that a running server gives to scripts.",
        subcommands: [List.self, Set.self, Unset.self]
    )

    private static let path = "/admin/variables"

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the variables' names.")

        @OptionGroup var target: LocalOptions

        @Flag(help: "Print the values too.")
        var values = false

        func run() throws {
            for variable in try target.send("GET", Variables.path)["data"]?.array ?? [] {
                let name = variable["name"]?.string ?? ""
                print(values ? "\(name)=\(variable["value"]?.string ?? "")" : name)
            }
        }
    }

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Set variables.")

        @OptionGroup var target: LocalOptions

        @Argument(help: "Such as REGION=eu.")
        var assignments: [String]

        func run() throws {
            let variables = try assignments.map { assignment -> (String, JSONValue) in
                guard let mark = assignment.firstIndex(of: "=") else {
                    throw ValidationError("Expected NAME=VALUE and not \"\(assignment)\".")
                }
                return (String(assignment[..<mark]), .string(String(assignment[assignment.index(after: mark)...])))
            }
            try Variables.change(variables, target)
        }
    }

    struct Unset: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take variables away.")

        @OptionGroup var target: LocalOptions

        @Argument(help: "Names.")
        var names: [String]

        func run() throws {
            try Variables.change(names.map { ($0, .null) }, target)
        }
    }

    private static func change(_ variables: [(String, JSONValue)], _ target: LocalOptions) throws {
        _ = try target.send("PATCH", path, body: ["variables": .object(JSONObject(variables))])
    }
}
