import TerapiCore

/// An error as it is kept with the run that it ended.
extension TerapiError {
    var kept: [UInt8] {
        var json: JSONObject = ["code": .string(code.rawValue), "message": .string(message)]
        json["payload"] = payload
        json["upstream"] = upstream
        if !issues.isEmpty {
            json["issues"] = .array(
                issues.map { ["code": .string($0.code), "message": .string($0.message), "path": JSONValue($0.path)] }
            )
        }
        return JSONValue.object(json).encoded()
    }

    init(kept bytes: [UInt8]) {
        guard let json = try? JSONReader.read(bytes), let code = json["code"]?.string.flatMap(Code.init(rawValue:)),
            let message = json["message"]?.string
        else {
            self.init(.serverError, "The kept error cannot be read.")
            return
        }
        self.init(
            code,
            message,
            issues: (json["issues"]?.array ?? []).map { issue in
                Issue(
                    code: issue["code"]?.string ?? "",
                    message: issue["message"]?.string ?? "",
                    path: (issue["path"]?.array ?? []).compactMap(\.string)
                )
            },
            payload: json["payload"],
            upstream: json["upstream"]
        )
    }

    /// A run was cut off after it had sent something.
    static let cutOff = TerapiError(
        .outcomeUnknown,
        "The server ended during the run, after the script had sent a request that may have had an effect. It is not run "
            + "again by itself: see at the provider what happened."
    )
}
