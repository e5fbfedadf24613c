import HTTPTypes
import Hummingbird
import NIOCore
import TerapiCore

extension Response {
    static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok) -> Response {
        json(bytes: value.encoded(), status: status)
    }

    /// - Parameter bytes: a JSON document, passed on as it is.
    static func json(bytes: [UInt8], status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        )
    }

    static var success: Response { json(["success": true]) }

    static var noContent: Response { Response(status: .noContent) }
}
