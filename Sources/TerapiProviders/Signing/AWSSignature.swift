import TerapiCore

/// AWS Signature Version 4 in the `Authorization` header.
struct AWSSignature {
    var accessKeyID: String
    var secretAccessKey: Secret
    var sessionToken: Secret?
    var region: String
    var service: String
    var now: Timestamp
    /// For a body that is not known yet, which S3 allows.
    var leavesBodyOut = false

    /// Adds the headers that sign everything that the request holds now.
    func sign(_ request: inout OutboundRequest) throws {
        let url: OutboundURL
        do {
            url = try OutboundURL(request.url)
        } catch {
            throw TerapiError(.invalidBody, "The address of the request cannot be signed: \(error.reason).")
        }
        let moment = DateFormat.text(of: now, format: "YYYYMMDD[T]HHmmss[Z]")
        let date = String(moment.prefix(8))
        let payloadHash = service == "s3" && leavesBodyOut ? "UNSIGNED-PAYLOAD" : hex(sha256(request.body ?? []))
        let own = ["authorization", "host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"]
        request.headers.removeAll { own.contains($0.name.lowercased()) }
        request.headers.append(("x-amz-date", moment))
        if service == "s3" { request.headers.append(("x-amz-content-sha256", payloadHash)) }
        if let sessionToken { request.headers.append(("x-amz-security-token", sessionToken.reveal())) }

        let isDefaultPort = url.port == (url.isHTTPS ? 443 : 80)
        let host = isDefaultPort ? url.hostText : "\(url.hostText):\(url.port)"
        let signed = (request.headers.filter { Self.isSigned($0.name.lowercased()) } + [("host", host)])
            .map { (name: $0.name.lowercased(), value: Self.trimmed($0.value)) }
            .sorted { $0.name < $1.name }
        let names = signed.map(\.name).joined(separator: ";")
        let canonical = [
            request.method.uppercased(), path(of: url), Self.query(of: url),
            signed.map { "\($0.name):\($0.value)\n" }.joined(), names, payloadHash,
        ].joined(separator: "\n")
        let scope = "\(date)/\(region)/\(service)/aws4_request"
        let text = ["AWS4-HMAC-SHA256", moment, scope, hex(sha256(Array(canonical.utf8)))].joined(separator: "\n")
        let key = [date, region, service, "aws4_request"].reduce(Array("AWS4\(secretAccessKey.reveal())".utf8)) {
            hmacSHA256(key: $0, Array($1.utf8))
        }
        let signature = hex(hmacSHA256(key: key, Array(text.utf8)))
        request.headers.append(
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=\(accessKeyID)/\(scope), SignedHeaders=\(names), Signature=\(signature)"
            )
        )
    }

    /// What a transport may add or change is left out.
    private static func isSigned(_ name: String) -> Bool {
        name == "content-type" || name == "content-md5" || name.hasPrefix("x-amz-")
    }

    /// Encoded once more on the way to the signature, but for S3.
    private func path(of url: OutboundURL) -> String {
        let path = url.target.prefix { $0 != "?" }
        return path.split(separator: "/", omittingEmptySubsequences: false)
            .map { segment in
                let text = service == "s3" ? PercentEncoding.decode(segment) : nil
                return PercentEncoding.encode(text ?? String(segment))
            }
            .joined(separator: "/")
    }

    private static func query(of url: OutboundURL) -> String {
        url.target.drop { $0 != "?" }.dropFirst().split(separator: "&")
            .map { pair in
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                let texts = parts.map { PercentEncoding.encode(PercentEncoding.decode($0) ?? String($0)) }
                return (name: texts[0], value: texts.count == 2 ? texts[1] : "")
            }
            .sorted { ($0.name, $0.value) < ($1.name, $1.value) }
            .map { "\($0.name)=\($0.value)" }
            .joined(separator: "&")
    }

    private static func trimmed(_ value: String) -> String {
        value.split(separator: " ").joined(separator: " ")
    }
}
