import HTTPTypes
import Hummingbird
import NIOCore

/// Text that is put into a page.
enum HTML {
    static func escape(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }

    /// A page that runs and loads nothing but our own files.
    /// - Parameters:
    ///   - script: one of our scripts, `nil` for a page that stands still.
    ///   - framedBy: the origins whose pages may show it in a frame.
    static func page(
        title: String,
        main: String,
        script: String?,
        status: HTTPResponse.Status = .ok,
        framedBy: [String] = []
    ) -> Response {
        let module = script.map { "<script type=\"module\" src=\"/connect/assets/\($0)\"></script>" } ?? ""
        let text = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="robots" content="noindex">
            <title>\(escape(title))</title>
            <link rel="icon" href="data:,">
            <link rel="stylesheet" href="/connect/assets/connect.css">
            \(module)
            </head>
            <body>
            \(main)
            </body>
            </html>

            """
        let ancestors = framedBy.isEmpty ? "'none'" : framedBy.joined(separator: " ")
        return Response(
            status: status,
            headers: [
                .contentType: "text/html; charset=utf-8",
                .cacheControl: "no-store",
                .referrerPolicy: "no-referrer",
                .contentSecurityPolicy:
                    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
                    + "form-action 'none'; base-uri 'none'; frame-ancestors \(ancestors)",
                .xContentTypeOptions: "nosniff",
            ],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }
}
