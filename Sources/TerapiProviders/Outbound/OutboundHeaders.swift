import NIOHTTP1
import TerapiCore

/// Checks what a caller wants to send before any parser of ours or theirs sees it.
enum OutboundHeaders {
    /// These belong to one connection or are written by the transport (RFC 9110, section 7.6.1).
    static let hopByHop: Set<String> = [
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    ]

    /// What another origin may see after a redirect: none of it can authorise anything.
    private static let harmless: Set<String> = [
        "accept", "accept-encoding", "accept-language", "cache-control", "content-language", "content-type", "range",
        "user-agent",
    ]

    private static let maxBytes = 65_536

    /// - Throws: `TerapiError` with `.invalidHeaders`.
    static func checked(_ request: OutboundRequest) throws -> HTTPHeaders {
        guard isToken(request.method), request.method.utf8.count <= 32 else {
            throw TerapiError(.invalidHeaders, "The request's method is not a word of letters.")
        }
        guard request.method != "CONNECT", request.method != "TRACE" else {
            throw TerapiError(.invalidHeaders, "The method \(request.method) cannot be sent.")
        }
        var headers = HTTPHeaders()
        headers.reserveCapacity(request.headers.count + 3)
        var size = 0
        for (name, value) in request.headers {
            guard isToken(name) else {
                throw TerapiError(.invalidHeaders, "A header's name holds characters that are not allowed there.")
            }
            guard isValue(value) else {
                throw TerapiError(
                    .invalidHeaders,
                    "The value of the header \"\(name)\" holds characters that are not allowed there."
                )
            }
            size += name.utf8.count + value.utf8.count
            if !hopByHop.contains(name.lowercased()) { headers.add(name: name, value: value) }
        }
        guard size <= maxBytes else {
            throw TerapiError(.invalidHeaders, "The request's headers are larger than \(maxBytes / 1024) KB.")
        }
        if !headers.contains(name: "user-agent") { headers.add(name: "user-agent", value: "Terapi") }
        if request.asksForCompression, !headers.contains(name: "accept-encoding") {
            headers.add(name: "accept-encoding", value: "gzip, deflate")
        }
        if !headers.contains(name: "accept") { headers.add(name: "accept", value: "*/*") }
        return headers
    }

    /// An answer's headers without those that speak of the connection it came on (RFC 9110, section 7.6.1).
    static func passable(_ headers: HTTPHeaders) -> [(name: String, value: String)] {
        let named = headers[canonicalForm: "connection"].map { $0.lowercased() }
        var passable: [(name: String, value: String)] = []
        passable.reserveCapacity(headers.count)
        for (name, value) in headers {
            let name = name.lowercased()
            if name == "content-length" || !hopByHop.contains(name) && !named.contains(name) {
                passable.append((name, value))
            }
        }
        return passable
    }

    static func withoutCredentials(_ headers: HTTPHeaders) -> HTTPHeaders {
        HTTPHeaders(headers.filter { harmless.contains($0.name.lowercased()) })
    }

    static func withoutBodyHeaders(_ headers: HTTPHeaders) -> HTTPHeaders {
        HTTPHeaders(headers.filter { !$0.name.lowercased().hasPrefix("content-") })
    }

    static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    private static func isValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }
}
