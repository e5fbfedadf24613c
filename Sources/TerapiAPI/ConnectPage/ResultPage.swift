import HTTPTypes
import Hummingbird
import TerapiCore

/// The last page of a flow, and the page of an address that cannot be shown: plain words for a person.
enum ResultPage {
    /// Tells the outcome, and posts it to the page that opened the popup if that has been registered; never with a
    /// token or a code.
    static func finished(_ result: ConnectResult, status: HTTPResponse.Status, requestID: String) -> Response {
        var payload = JSONObject()
        payload["providerConfigKey"] = result.integrationKey.map(JSONValue.string)
        payload["attemptId"] = result.attemptID.map(JSONValue.string)
        let type: String
        let heading: String
        let text: String
        switch result.outcome {
        case .success(let connectionID):
            type = "success"
            payload["connectionId"] = .string(connectionID)
            heading = "You are connected"
            text = "Everything is set up. You can close this window."
        case .failure(let errorType, let message):
            type = "error"
            payload["errorType"] = .string(errorType)
            payload["errorMessage"] = .string(message)
            heading = "The connection was not made"
            text = message
        }
        let message: JSONValue = [
            "origin": JSONValue(result.openerOrigin),
            "message": ["type": .string(type), "payload": .object(payload)],
        ]
        return page(
            heading, text, type, status: status, reference: type == "error" ? requestID : nil,
            data: message.text(), script: "result.js"
        )
    }

    static func problem(_ error: TerapiError, status: HTTPResponse.Status, requestID: String) -> Response {
        switch error.code {
        case .unknownConnectSessionToken, .invalidConnectSessionTokenFormat, .missingAuthHeader:
            page(
                "This link has expired",
                "Go back to the app that you came from and start again: it will give you a new link.",
                "error", status: status, reference: nil
            )
        default:
            page("That did not work", text(of: error), "error", status: status, reference: requestID)
        }
    }

    /// The message with what is wrong in detail.
    static func text(of error: TerapiError) -> String {
        ([error.message] + error.issues.map { "\($0.path.joined(separator: ".")): \($0.message)" })
            .joined(separator: " ")
    }

    private static func page(
        _ heading: String,
        _ text: String,
        _ kind: String,
        status: HTTPResponse.Status,
        reference: String?,
        data: String = "{}",
        script: String? = nil
    ) -> Response {
        let note = reference.map { "<p class=\"quiet\">If you ask for help, give this number: \($0)</p>" } ?? ""
        return HTML.page(
            title: heading,
            main: """
                <main class="card \(kind)" data-result="\(HTML.escape(data))">
                <div class="mark" aria-hidden="true"></div>
                <h1>\(HTML.escape(heading))</h1>
                <p>\(HTML.escape(text))</p>
                \(note)
                </main>
                """,
            script: script,
            status: status
        )
    }
}
