import TerapiCore

extension TerapiError {
    /// What a server has answered instead of what was asked for.
    /// - Parameters:
    ///   - answer: the body, if it is JSON.
    ///   - server: how it is called when the answer says nothing.
    init(answer: JSONValue?, status: Int, server: String) {
        let error = answer?["error"]
        self.init(
            error?["code"]?.string.flatMap(Code.init) ?? .serverError,
            error?["message"]?.string ?? "\(server) answered \(status).",
            issues: (error?["errors"]?.array ?? []).map { issue in
                Issue(
                    code: issue["code"]?.string ?? "",
                    message: issue["message"]?.string ?? "",
                    path: (issue["path"]?.array ?? []).compactMap(\.string)
                )
            },
            payload: error?["payload"],
            upstream: error?["upstream"]
        )
    }
}
