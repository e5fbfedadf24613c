import Foundation
import TerapiCore

/// Asks at the terminal for what is still missing.
struct PartnerQuestions {
    /// Asks for one line; `nil` at the end of the input.
    var ask: (String) -> String? = { question in
        say("\(question): ", end: "")
        return readLine()?.trimmed
    }

    func completed(_ given: JSONValue) -> JSONValue {
        var tree = JSONTree(given)
        let isBare = tree[["data_types"]] == nil
        text(["name"], "Name of the integration, such as acme", &tree)
        if tree[["auth"]] == nil { authorization(&tree) }
        text(["base_url"], "Address of the API, such as https://api.acme.example", &tree)
        // Whoever has named the data already has decided about the rest.
        guard isBare else { return tree.value }
        if tree[["user_id"]] == nil { user(&tree) }
        range(&tree)
        types(&tree)
        if tree[["push"]] == nil, yes("Does it push events") { push(&tree) }
        return tree.value
    }

    private func text(_ path: [String], _ question: String, _ tree: inout JSONTree) {
        guard tree[path] == nil, let answer = ask(question), !answer.isEmpty else { return }
        tree[path] = .string(answer)
    }

    private func yes(_ question: String) -> Bool {
        ["y", "yes"].contains(ask("\(question)? [y/N]")?.lowercased() ?? "")
    }

    private func authorization(_ tree: inout JSONTree) {
        guard yes("Is it authorized by OAuth 2") else {
            return text(["auth", "api_key"], "Where the API key stands: header:NAME, query:NAME or bearer", &tree)
        }
        text(["auth", "authorization_url"], "Authorization URL", &tree)
        text(["auth", "token_url"], "Token URL", &tree)
        let scopes =
            ask("Scopes, with spaces between them (empty for none)")?.split(separator: " ").map(String.init) ?? []
        if !scopes.isEmpty { tree[["auth", "scopes"]] = JSONValue(scopes) }
    }

    private func user(_ tree: inout JSONTree) {
        if tree[["auth", "api_key"]] == nil {
            text(["user_id", "token"], "Where the user's id is in the token answer (empty if it is not there)", &tree)
        }
        if tree[["user_id"]] == nil {
            text(["user_id", "endpoint"], "Path that says who it is, such as /me (empty for none)", &tree)
            if tree[["user_id"]] != nil { text(["user_id", "path"], "Where the id is in that answer", &tree) }
        }
        guard tree[["user_id"]] != nil else { return }
        text(["user"], "Where requests name the user: query:NAME, header:NAME or path (empty for nowhere)", &tree)
    }

    private func range(_ tree: inout JSONTree) {
        text(
            ["range", "start"], "Where a range of time begins: query:NAME, header:NAME or path (empty for none)", &tree)
        guard tree[["range"]] != nil else { return }
        text(["range", "end"], "Where it ends (empty for nowhere)", &tree)
        text(["range", "format"], "How its times are written: date, iso, seconds or milliseconds", &tree)
    }

    private func types(_ tree: inout JSONTree) {
        while let name = ask("A kind of data, such as sleep, daily or activity (empty to end)"), !name.isEmpty {
            text(["data_types", name, "endpoint"], "Its path, such as /v1/\(name)", &tree)
            text(["data_types", name, "example"], "JSON file with an example answer", &tree)
        }
    }

    private func push(_ tree: inout JSONTree) {
        text(["push", "user"], "Field of an event with the user's id", &tree)
        text(["push", "type"], "Field with the event's type (empty for none)", &tree)
        text(["push", "signature", "scheme"], "How it is signed: hmac-sha256, hmac-sha1, hmac-sha512 or token", &tree)
        text(["push", "signature", "header"], "Header with the signature", &tree)
        for (name, _) in tree[["data_types"]]?.object?.members ?? [] {
            text(["push", "events", name, "example"], "JSON file with an event about \(name) (empty for none)", &tree)
        }
    }
}
