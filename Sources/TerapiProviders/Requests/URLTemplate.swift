import TerapiCore

/// A URL with placeholders, filled in so that no value can lead anywhere but where the file's author meant.
///
/// A value in the host is part of a host name, a value in the path stays in the path, and only a placeholder at the very
/// beginning may bring scheme and host. `subdomain = "evil.example/"` is an error and not another origin.
struct URLTemplate {
    let source: String

    init(_ source: String) {
        self.source = source
    }

    /// - Throws: `TerapiError` with `.invalidBody` that names the field which is missing or not allowed there.
    func render(_ values: TemplateValues) throws -> String {
        let alternatives = Template(source).alternatives
        let known = alternatives.first { pieces in
            pieces.allSatisfy { piece in
                if case .placeholder(let placeholder) = piece { placeholder.value(values) != nil } else { true }
            }
        }
        let pieces = known ?? alternatives[alternatives.count - 1]
        var url = ""
        for (index, piece) in pieces.enumerated() {
            switch piece {
            case .text(let text): url += text
            case .placeholder(let placeholder):
                guard let value = placeholder.value(values) else {
                    throw Self.error(placeholder.source, "is needed and missing.")
                }
                let next: Character? =
                    if index + 1 < pieces.count, case .text(let text) = pieces[index + 1] {
                        text.first
                    } else {
                        index + 1 < pieces.count ? "$" : nil
                    }
                url += try Self.fitted(value, of: placeholder.source, behind: url, before: next)
            }
        }
        return url
    }

    private static func fitted(
        _ value: String,
        of name: String,
        behind url: String,
        before next: Character?
    ) throws -> String {
        guard let mark = url.firstRange(of: "://") else {
            guard url.isEmpty else { throw error(name, "stands where no value may stand.") }
            return try origin(value, of: name, before: next)
        }
        let tail = url[mark.upperBound...]
        if tail.contains("?") || tail.contains("#") { return PercentEncoding.encode(value) }
        if tail.contains("/") { return try path(value, of: name) }
        return try host(value, of: name, isAtEnd: next == nil || next == "/" || next == "?")
    }

    private static func origin(_ value: String, of name: String, before next: Character?) throws -> String {
        guard next == nil || next == "/" || next == "?" else { throw error(name, "stands where no value may stand.") }
        // Only the developer who sets the integration up may bring a query along.
        let mayHaveQuery = next == nil && name.hasPrefix("integrationConfig")
        guard let url = try? OutboundURL(value), !value.contains("#"), mayHaveQuery || !value.contains("?") else {
            throw error(name, "must be a URL such as https://api.example.com.")
        }
        // As it was checked, not as it was written.
        let scheme = url.isHTTPS ? "https" : "http"
        let port = url.port == (url.isHTTPS ? 443 : 80) ? "" : ":\(url.port)"
        var path = url.target == "/" && !value.hasSuffix("/") ? "" : url.target[...]
        while next == "/", path.last == "/" { path = path.dropLast() }
        try refuseDotSegments(path, of: name)
        return "\(scheme)://\(url.hostText)\(port)\(path)"
    }

    private static func host(_ value: String, of name: String, isAtEnd: Bool) throws -> String {
        var host = value[...]
        var port: Substring = ""
        if isAtEnd, let colon = value.firstIndex(of: ":") {
            host = value[..<colon]
            port = value[colon...]
        }
        let isPort =
            port.isEmpty || (2...6).contains(port.count) && port.dropFirst().allSatisfy { ("0"..."9").contains($0) }
        let isHost =
            !host.isEmpty && host.utf8.count <= 253
            && host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                !label.isEmpty && label.first != "-" && label.last != "-"
                    && label.utf8.allSatisfy { byte in
                        switch byte {
                        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"): true
                        default: false
                        }
                    }
            }
        guard isHost, isPort else {
            throw error(name, "is part of a host name: only letters, digits, hyphens and dots are allowed.")
        }
        return value
    }

    private static func path(_ value: String, of name: String) throws -> String {
        guard !value.contains(where: { "?#\\%".contains($0) }), value.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F })
        else {
            throw error(name, "is part of a path: it must not hold spaces, ?, #, % and backslashes.")
        }
        try refuseDotSegments(value[...], of: name)
        return value
    }

    private static func refuseDotSegments(_ path: Substring, of name: String) throws {
        let isClean = path.split(separator: "/").allSatisfy { segment in
            let plain = segment.lowercased().replacing("%2e", with: ".")
            return plain != "." && plain != ".."
        }
        guard isClean else { throw error(name, "must not hold the path segments . and ..") }
    }

    private static func error(_ placeholder: String, _ problem: String) -> TerapiError {
        let parts = placeholder.split(separator: ".").map(String.init)
        let field = parts.last ?? placeholder
        let place =
            switch parts.first {
            case "connectionConfig": "connection_config"
            case "integrationConfig": "integration_config"
            case let first?: first
            case nil: placeholder
            }
        return TerapiError(
            .invalidBody,
            "The field \"\(field)\" \(problem)",
            issues: [TerapiError.Issue(code: "invalid_value", message: "\(field) \(problem)", path: [place, field])]
        )
    }
}

extension PercentEncoding {
    /// Reads `a=b&c=d`, where `+` is a space.
    static func form(_ text: String) -> [(name: String, value: String)] {
        text.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (decoded(parts[0]), parts.count == 2 ? decoded(parts[1]) : "")
        }
    }

    /// What a provider wrote: an escape that is broken stays as it is.
    static func decoded(_ text: Substring) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let byte = UInt8(String(decoding: bytes[index + 1...index + 2], as: UTF8.self), radix: 16)
            {
                result.append(byte)
                index += 3
            } else {
                result.append(bytes[index] == UInt8(ascii: "+") ? 0x20 : bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
