import HTTPTypes
import Hummingbird
import TerapiCore

extension Call {
    /// The integration and the connection that the headers name.
    func connectionHeaders() throws -> (integrationKey: String, connectionID: String) {
        var issues: [TerapiError.Issue] = []
        let key = required(.providerConfigKey, .integrationKey, &issues)
        let connectionID = required(.connectionID, .connectionID, &issues)
        try Self.check(issues)
        return (key, connectionID)
    }

    func integrationHeader() throws -> String {
        var issues: [TerapiError.Issue] = []
        let key = required(.providerConfigKey, .integrationKey, &issues)
        try Self.check(issues)
        return key
    }

    func required(_ name: HTTPField.Name, _ rule: TextRule, _ issues: inout [TerapiError.Issue]) -> String {
        let path = [name.canonicalName]
        guard let value = request.headers[name] else {
            issues.append(TerapiError.Issue(code: "invalid_type", message: "Required.", path: path))
            return ""
        }
        if let problem = rule.problem(with: value) {
            issues.append(TerapiError.Issue(code: problem.code, message: problem.message, path: path))
        }
        return value
    }

    static func check(_ issues: [TerapiError.Issue]) throws {
        guard issues.isEmpty else {
            throw TerapiError(.invalidHeaders, "The headers are not valid.", issues: issues)
        }
    }
}
