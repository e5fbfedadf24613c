import ArgumentParser

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Asks a person before something happens that cannot be taken back.
struct ConsentOptions: ParsableArguments {
    @Flag(name: [.short, .long], help: "Do not ask.")
    var yes = false

    /// - Parameters:
    ///   - verb: what is asked about: `deploy`.
    ///   - object: what is done it to, such as `"desk" with its records`.
    ///   - otherwise: what has happened when the answer is no: `Nothing was deployed`.
    /// - Throws: `ExitWithMessage` when the answer is no, or when there is nobody to ask.
    func ask(to verb: String, _ object: String = "", otherwise: String) throws {
        if yes { return }
        guard isatty(STDIN_FILENO) == 1 else {
            throw ExitWithMessage("\(otherwise): there is no terminal to ask on. Give --yes to \(verb) unasked.")
        }
        let words = object.isEmpty ? verb : "\(verb) \(object)"
        print("\(words.prefix(1).uppercased())\(words.dropFirst())? [y/N] ", terminator: "")
        fflush(nil)
        guard ["y", "yes"].contains(readLine()?.lowercased()) else { throw ExitWithMessage("\(otherwise).") }
    }
}
