import ArgumentParser
import Foundation
import TerapiCore
import TerapiScripts

/// The answers as flags; docs/partners.md has them all.
struct PartnerFlags: ParsableArguments {
    @Option(name: .customLong("answers"), help: "A file with answers, YAML or JSON. Flags go over it.")
    var answersFile: String?

    @Option(help: "The integration's name: acme.") var name: String?
    @Option(help: "The name that people see.") var displayName: String?
    @Option(help: "Where its documents are.") var docs: String?
    @Option(help: "OAuth 2: where a person allows the access.") var authorizationURL: String?
    @Option(help: "OAuth 2: where tokens are got.") var tokenURL: String?
    @Option(help: "OAuth 2: where tokens are renewed, if it is elsewhere.") var refreshURL: String?
    @Option(help: "OAuth 2: a scope to ask for. May be repeated.") var scope: [String] = []
    @Option(help: "Instead of OAuth 2: header:NAME, query:NAME or bearer.") var apiKey: String?
    @Option(help: "The address of the API.") var baseURL: String?

    @Option(help: "Where the user's id is in the token answer: user.id.") var userIDToken: String?
    @Option(help: "Or the path that says who it is: /me.") var userIDEndpoint: String?
    @Option(help: "And where the id is in its answer: data.id.") var userIDPath: String?
    @Option(help: "Where requests name the user: query:NAME, header:NAME or path.") var user: String?

    @Option(help: "Where a range begins: query:NAME, header:NAME or path.") var rangeStart: String?
    @Option(help: "Where it ends, likewise.") var rangeEnd: String?
    @Option(help: "How its times are written: date, iso, seconds or milliseconds.") var rangeFormat: String?
    @Option(help: "How pages follow: type=cursor,cursor_path=next,cursor_name=cursor.") var paging: String?
    @Option(help: "How many days of history are read.") var backfillDays: Int?
    @Option(help: "How many of them at a time.") var windowDays: Int?
    @Option(help: "How often to read: every hour.") var frequency: String?

    @Option(help: ArgumentHelp("A kind of data and its endpoint. May be repeated.", valueName: "type=/path"))
    var type: [String] = []
    @Option(help: ArgumentHelp("An example answer.", valueName: "type=file.json")) var example: [String] = []
    @Option(help: ArgumentHelp("Its standard model, if the name does not tell.", valueName: "type=model"))
    var model: [String] = []
    @Option(help: ArgumentHelp("Where the list is in the answer.", valueName: "type=path")) var items: [String] = []
    @Option(help: ArgumentHelp("A member of the model that is not to be guessed.", valueName: "type.field=js"))
    var map: [String] = []

    @Option(help: ArgumentHelp("An event that the partner pushes.", valueName: "type=file.json"))
    var eventExample: [String] = []
    @Option(help: ArgumentHelp("The events' name; * stands for any text.", valueName: "type=name")) var eventName:
        [String] = []
    @Option(help: ArgumentHelp("Where the record is in the event.", valueName: "type=path")) var eventRecord: [String] =
        []
    @Option(help: "The field of an event with the user's id.") var eventUser: String?
    @Option(help: "The field of an event with its type.") var eventType: String?
    @Option(help: "The field of an event with its own id.") var eventID: String?
    @Option(
        help: ArgumentHelp(
            "How events are signed: hmac-sha256:X-Signature, or token:X-Token.", valueName: "scheme:header"))
    var signature: String?
    @Option(help: "What stands before the signature: sha256=.") var signaturePrefix: String?
    @Option(help: "hex or base64.") var signatureEncoding: String?
    @Option(help: "The header with the time that is signed before the body.") var signatureTimeHeader: String?

    /// What the file says, with the flags over it.
    func answers() throws -> JSONValue {
        var tree = JSONTree(try fileAnswers())
        for (path, value) in texts { if let value { tree[path] = .string(value) } }
        for (path, value) in [("backfill.days", backfillDays), ("backfill.window_days", windowDays)] {
            if let value { tree[path.split(separator: ".").map(String.init)] = JSONValue(value) }
        }
        if !scope.isEmpty { tree[["auth", "scopes"]] = JSONValue(scope) }
        for (flag, given, member) in [
            ("type", type, "endpoint"), ("example", example, "example"), ("model", model, "model"),
            ("items", items, "items"),
        ] {
            for (name, value) in try given.map({ try pair($0, flag) }) {
                tree[["data_types", name, member]] = .string(value)
            }
        }
        for (name, value) in try map.map({ try pair($0, "map") }) {
            let parts = name.split(separator: ".").map(String.init)
            guard parts.count == 2 else { throw Self.mistake("map", "sleep.end_at=dateTime(item.end)", name) }
            tree[["data_types", parts[0], "map", parts[1]]] = .string(value)
        }
        for (flag, given, member) in [
            ("event-example", eventExample, "example"), ("event-name", eventName, "name"),
            ("event-record", eventRecord, "record"),
        ] {
            for (name, value) in try given.map({ try pair($0, flag) }) {
                tree[["push", "events", name, member]] = .string(value)
            }
        }
        if let signature {
            let parts = signature.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw Self.mistake("signature", "hmac-sha256:X-Signature", signature) }
            tree[["push", "signature", "scheme"]] = .string(parts[0])
            tree[["push", "signature", "header"]] = .string(parts[1])
        }
        for part in paging?.split(separator: ",") ?? [] {
            let (name, value) = try pair(String(part), "paging")
            tree[["paging", name]] = Int(value).map { JSONValue($0) } ?? .string(value)
        }
        return tree.value
    }

    private var texts: [([String], String?)] {
        [
            (["name"], name), (["display_name"], displayName), (["docs"], docs), (["base_url"], baseURL),
            (["auth", "authorization_url"], authorizationURL), (["auth", "token_url"], tokenURL),
            (["auth", "refresh_url"], refreshURL), (["auth", "api_key"], apiKey), (["user_id", "token"], userIDToken),
            (["user_id", "endpoint"], userIDEndpoint), (["user_id", "path"], userIDPath), (["user"], user),
            (["range", "start"], rangeStart), (["range", "end"], rangeEnd), (["range", "format"], rangeFormat),
            (["frequency"], frequency), (["push", "user"], eventUser), (["push", "type"], eventType),
            (["push", "id"], eventID),
            (["push", "signature", "prefix"], signaturePrefix), (["push", "signature", "encoding"], signatureEncoding),
            (["push", "signature", "time_header"], signatureTimeHeader),
        ]
    }

    private func fileAnswers() throws -> JSONValue {
        guard let file = answersFile else { return [:] }
        guard let bytes = OwnedFile.read(file), let text = String(validating: bytes, as: UTF8.self) else {
            throw TerapiError(.invalidConfiguration, "The file \(file) cannot be read.")
        }
        return try PartnerAnswers.json(text, file: file)
    }

    /// An example, beside the file with the answers or where the command was called.
    func read(_ path: String) throws -> [UInt8] {
        let beside = answersFile.map { URL(filePath: $0).deletingLastPathComponent().appending(path: path) }
        if !path.hasPrefix("/"), let beside, let bytes = OwnedFile.read(beside.path(percentEncoded: false)) {
            return bytes
        }
        guard let bytes = OwnedFile.read(path) else {
            throw TerapiError(.invalidConfiguration, "The file \(path) cannot be read.")
        }
        return bytes
    }

    private func pair(_ text: String, _ flag: String) throws -> (String, String) {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty else { throw Self.mistake(flag, "sleep=…", text) }
        return (parts[0], parts[1])
    }

    private static func mistake(_ flag: String, _ form: String, _ found: String) -> TerapiError {
        TerapiError(.invalidConfiguration, "--\(flag) is written as \(form), found \"\(found)\".")
    }
}

/// A JSON document that is built member by member.
struct JSONTree {
    private(set) var value: JSONValue

    init(_ value: JSONValue) {
        self.value = value
    }

    subscript(path: [String]) -> JSONValue? {
        get { path.reduce(value as JSONValue?) { $0?[$1] } }
        set { value = Self.with(newValue ?? .null, at: path[...], in: value) }
    }

    private static func with(_ value: JSONValue, at path: ArraySlice<String>, in document: JSONValue) -> JSONValue {
        guard let step = path.first else { return value }
        var object = document.object ?? [:]
        object[step] = with(value, at: path.dropFirst(), in: object[step] ?? [:])
        return .object(object)
    }
}
