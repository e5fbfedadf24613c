import Configuration
import SystemPackage
import TerapiCore
import TerapiProviders

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Every setting of the server, with unit, default and allowed values: the one place where they are listed.
struct Settings: Sendable {
    var dataFolder: String
    var host: String
    var port: Int
    var publicURL: String
    var encryptionKey: Secret?
    var providersPath: String?
    var integrationsFolder: String?
    var outboundAllow: [String]
    var maxSyncRuns: Int
    var scriptMemoryMegabytes: Int
    var scriptTurnSeconds: Int
    var esbuildPath: String?
    var compatibility: String
    var logLevel: String

    static let list: [Setting] = [
        Setting("data", .text, default: "./terapi-data", "Folder of everything that the server keeps."),
        Setting("host", .text, default: "127.0.0.1", "Address to listen on."),
        Setting("port", .integer(0...65_535), default: "3003", "Port to listen on; 0 takes a free one."),
        Setting(
            "public-url",
            .url,
            default: nil,
            "Where browsers reach the server; part of every OAuth callback address. "
                + "Without it: http://localhost and the port."
        ),
        Setting(
            "encryption-key",
            .key,
            default: nil,
            "Key for everything sealed at rest: 32 bytes in base64. Without it: the file encryption-key in the data "
                + "folder, made at the first start.",
            isSecret: true
        ),
        Setting(
            "providers",
            .text,
            default: nil,
            "A provider file, or a folder of them, that adds to the catalogue or replaces parts."
        ),
        Setting(
            "integrations",
            .text,
            default: nil,
            "Folder of integrations: <integration>/{syncs,actions,on-events}/<name>.ts, .js or .yaml."
        ),
        Setting(
            "outbound-allow",
            .networks,
            default: "",
            "Networks beside the public internet that requests may reach, such as 10.1.0.0/16. Separated by commas. "
                + "Loopback and link-local addresses only by a network inside them, such as 127.0.0.0/8."
        ),
        Setting("max-sync-runs", .integer(1...1_000), default: "16", "Sync runs at the same time."),
        Setting("script-memory", .integer(64...65_536), default: "256", "Memory that one script may use.", unit: "MB"),
        Setting(
            "script-turn",
            .integer(1...600),
            default: "5",
            "CPU time that a script may use without waiting for anything.",
            unit: "seconds"
        ),
        Setting(
            "esbuild",
            .text,
            default: nil,
            "The program esbuild, which scripts in TypeScript need. Without it: the one in PATH, or else in "
                + "node_modules/.bin beside the folder of integrations or above it."
        ),
        Setting(
            "compat",
            .choice(["none", "nango"]),
            default: "none",
            "Whose names are understood beside Terapi's own. nango: the headers Nango-Proxy-… at the proxy."
        ),
        Setting(
            "log-level",
            .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]),
            default: "info",
            "Least level of the server's own log on standard error."
        ),
    ]

    /// Reads flags before variables before the file named by `--config` or `TERAPI_CONFIG`.
    /// - Throws: `TerapiError(.invalidConfiguration)` that names the setting, its value and what is allowed.
    static func read(arguments: [String], environment: [String: String]) async throws -> Settings {
        try checkFlags(arguments)
        let reader = try await reader(arguments: arguments, environment: environment)
        func text(_ name: String) throws -> String? {
            try self.text(name, reader)
        }
        func integer(_ name: String) throws -> Int {
            try text(name).flatMap(Int.init) ?? 0
        }
        let port = try integer("port")
        return Settings(
            dataFolder: try text("data") ?? "",
            host: try text("host") ?? "",
            port: port,
            publicURL: try text("public-url").map { String($0.reversed().drop { $0 == "/" }.reversed()) }
                ?? "http://localhost:\(port)",
            encryptionKey: try text("encryption-key").map(Secret.init),
            providersPath: try text("providers"),
            integrationsFolder: try text("integrations"),
            outboundAllow: try text("outbound-allow")?.split(separator: ",").map { $0.trimmed } ?? [],
            maxSyncRuns: try integer("max-sync-runs"),
            scriptMemoryMegabytes: try integer("script-memory"),
            scriptTurnSeconds: try integer("script-turn"),
            esbuildPath: try text("esbuild"),
            compatibility: try text("compat") ?? "",
            logLevel: try text("log-level") ?? ""
        )
    }

    /// One setting, for commands that run without a server.
    static func text(_ name: String, environment: [String: String]) async throws -> String? {
        try text(name, await reader(arguments: [], environment: environment))
    }

    private static func text(_ name: String, _ reader: ConfigReader) throws -> String? {
        guard let setting = list.first(where: { $0.name == name }) else {
            preconditionFailure("no setting \(name)")
        }
        let key = ConfigKey([name])
        let value =
            reader.string(forKey: key, isSecret: setting.isSecret)
            ?? reader.int(forKey: key).map(String.init)
            ?? reader.stringArray(forKey: key).map { $0.joined(separator: ",") }
            ?? setting.defaultText
        if let value { try setting.check(value) }
        return value
    }

    private static func reader(arguments: [String], environment: [String: String]) async throws -> ConfigReader {
        var providers: [any ConfigProvider] = [
            CommandLineArgumentsProvider(arguments: ["terapi"] + arguments),
            EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "terapi"),
        ]
        let flags = ConfigReader(providers: providers)
        if let path = flags.string(forKey: "config") {
            do {
                providers.append(try await FileProvider<JSONSnapshot>(filePath: FilePath(path)))
            } catch {
                throw TerapiError(
                    .invalidConfiguration,
                    "The configuration file \(path) cannot be read as JSON: \(error)."
                )
            }
        }
        return ConfigReader(providers: providers)
    }

    /// Refuses flags that no setting has: a typing mistake must not start the server with a default.
    private static func checkFlags(_ arguments: [String]) throws {
        let known = Set(list.map { "--\($0.name)" } + ["--config"])
        for argument in arguments where argument.hasPrefix("-") {
            let flag = argument.prefix { $0 != "=" }
            guard known.contains(String(flag)) else {
                throw TerapiError(
                    .invalidConfiguration,
                    "There is no setting \(flag). The settings are: "
                        + list.map { "--\($0.name)" }.joined(separator: ", ") + "."
                )
            }
        }
    }
}

/// One setting as it is documented and checked.
struct Setting: Sendable {
    enum Kind: Sendable {
        case text, url, key, networks
        case integer(ClosedRange<Int>)
        case choice([String])
    }

    let name: String
    let kind: Kind
    let defaultText: String?
    let summary: String
    let unit: String?
    let isSecret: Bool

    init(
        _ name: String,
        _ kind: Kind,
        default defaultText: String?,
        _ summary: String,
        unit: String? = nil,
        isSecret: Bool = false
    ) {
        self.name = name
        self.kind = kind
        self.defaultText = defaultText
        self.summary = summary
        self.unit = unit
        self.isSecret = isSecret
    }

    var flag: String { "--\(name)" }
    var variable: String { "TERAPI_" + name.uppercased().replacing("-", with: "_") }

    var allowed: String {
        switch kind {
        case .text: "any text"
        case .url: "an http or https address without a path"
        case .key: "32 bytes in base64 (44 characters)"
        case .networks: "networks in CIDR form, separated by commas"
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .choice(let values): values.joined(separator: ", ")
        }
    }

    /// - Throws: `TerapiError(.invalidConfiguration)`.
    func check(_ value: String) throws {
        let isAllowed =
            switch kind {
            case .text: !value.isEmpty
            case .url: Self.isOrigin(value)
            case .key: Base64.standard.decode(value)?.count == 32
            case .networks: value.isEmpty || value.split(separator: ",").allSatisfy { CIDR($0.trimmed) != nil }
            case .integer(let range): Int(value).map(range.contains) ?? false
            case .choice(let values): values.contains(value)
            }
        guard isAllowed else {
            throw TerapiError(
                .invalidConfiguration,
                "\(flag) (\(variable)) is \"\(isSecret ? "***" : value)\". Allowed: \(allowed)."
            )
        }
    }

    private static func isOrigin(_ value: String) -> Bool {
        guard let scheme = ["http://", "https://"].first(where: value.hasPrefix) else { return false }
        let rest = value.dropFirst(scheme.count).reversed().drop { $0 == "/" }
        return !rest.isEmpty && !rest.contains("/") && !rest.contains("?") && !rest.contains("#")
    }
}

extension StringProtocol {
    /// Without the spaces around it.
    var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
