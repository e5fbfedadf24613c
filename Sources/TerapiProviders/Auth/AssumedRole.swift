import TerapiCore

/// Temporary keys of a role in an end user's AWS account, got with the keys of the developer's own account.
struct AssumedRole {
    static let lifetime = Duration.seconds(3600)
    /// What was settled while asking and is kept with the keys.
    static let facts = ["region", "service", "external_id"]

    let integration: Integration
    let values: TemplateValues

    func send(through client: any OutboundClient) async throws -> RefreshAnswer {
        guard let role = values.value("credentials.role_arn"), let key = field("access_key_id"),
            let secret = field("secret_access_key")
        else {
            throw TerapiError(
                .invalidDefinition,
                "The integration \"\(integration.key)\" needs access_key_id and secret_access_key in its "
                    + "integration_config, and the connection a role_arn."
            )
        }
        // Set by the developer for the connect session and never by the end user, who could name another's.
        let externalID = values.value("connectionConfig.external_id")
        var fields: [(name: String, value: String)] = [
            ("Action", "AssumeRole"), ("Version", "2011-06-15"), ("RoleArn", role), ("RoleSessionName", "terapi"),
            ("DurationSeconds", String(Int(Self.lifetime.seconds))),
        ]
        if let externalID { fields.append(("ExternalId", externalID)) }
        let url = field("sts_url") == nil ? nil : try URLTemplate("${integrationConfig.sts_url}").render(values)
        var request = OutboundRequest(
            method: "POST",
            url: url ?? "https://sts.amazonaws.com/",
            headers: [("accept", "application/xml"), ("content-type", "application/x-www-form-urlencoded")],
            body: Array(PercentEncoding.query(fields).utf8),
            timeout: .seconds(15),
            purpose: .token,
            redirects: .never,
            maxAnswerBytes: 1_000_000
        )
        try AWSSignature(
            accessKeyID: key,
            secretAccessKey: Secret(secret),
            region: field("sts_region") ?? "us-east-1",
            service: "sts",
            now: values.now
        ).sign(&request)
        var answer = DerivedTokens.answer(try await client.send(request))
        answer.headers["region:"] =
            values.value("credentials.region") ?? values.value("connectionConfig.region") ?? field("region")
        answer.headers["service:"] = field("service")
        answer.headers["external_id:"] = externalID
        return answer
    }

    private func field(_ name: String) -> String? {
        values.value("integrationConfig.\(name)")
    }
}
