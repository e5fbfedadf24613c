import HTTPTypes
import Hummingbird
import NIOCore
import TerapiCore

extension Response {
    static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: value.encoded()))
        )
    }

    static func html(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status,
            headers: [.contentType: "text/html; charset=utf-8", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }

    static func error(_ code: String, _ explanation: String, status: HTTPResponse.Status) -> Response {
        json(["error": .string(code), "error_description": .string(explanation)], status: status)
    }

    /// The first half of the body with the length of the whole, then the connection is cut.
    static func cut(_ whole: ByteBuffer) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: "application/json"],
            body: ResponseBody(contentLength: whole.readableBytes) { writer in
                try await writer.write(ByteBuffer(whole.readableBytesView.prefix(whole.readableBytes / 2)))
                throw ConnectionCut()
            }
        )
    }
}

/// Ends a connection on purpose.
struct ConnectionCut: Error {}

extension Request {
    var queryFields: [String: String] {
        formFields(uri.query ?? "")
    }

    /// The body of a form, or of nothing.
    func formBody() async throws -> [String: String] {
        formFields(String(buffer: try await body.collect(upTo: 64 * 1024)))
    }

    /// The JSON object of the body; empty when there is no body.
    func jsonBody() async throws -> JSONValue {
        let buffer = try await body.collect(upTo: 1024 * 1024)
        guard buffer.readableBytes > 0 else { return [:] }
        do {
            return try JSONReader.read(buffer.readableBytesView)
        } catch {
            throw HTTPError(.badRequest, message: "The body is not JSON: \(error)")
        }
    }
}
