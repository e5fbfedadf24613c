import HTTPTypes
import Hummingbird
import TerapiCore

/// One thing that can be asked of the server.
struct Route: Sendable {
    /// Who may ask.
    enum Access: Sendable, Equatable {
        case anyone
        /// An API key with this scope.
        case key(APIScope)
        /// An API key with one of these scopes. The handler asks for the one that it needs: ``Call/require(_:)``.
        case keyWithAny([APIScope])
        /// An API key with this scope, or an end user in a connect session.
        case keyOrSession(APIScope)
        /// An end user in a connect session. Addresses that a browser opens carry the token in the query.
        case session
    }

    /// Who reads the answer, errors included.
    enum Reader: Sendable {
        case program, person
    }

    /// How large a body may be.
    enum Size: Sendable {
        case usual
        /// Whole folders of scripts.
        case deployment
    }

    typealias Handler = @Sendable (Call) async throws -> Response

    var method: HTTPRequest.Method
    /// A segment that begins with `:` takes any value; a `*` at the end takes the rest of the path, as it was sent.
    var path: String
    var access: Access
    /// Whether there may be a query at all.
    var takesQuery: Bool
    var reader: Reader
    var size: Size
    /// Whether the answer is somebody else's and leaves as it is.
    var isRelay: Bool
    var handler: Handler

    init(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ access: Access,
        query takesQuery: Bool = false,
        reader: Reader = .program,
        size: Size = .usual,
        isRelay: Bool = false,
        _ handler: @escaping Handler
    ) {
        self.method = method
        self.path = path
        self.access = access
        self.takesQuery = takesQuery
        self.reader = reader
        self.size = size
        self.isRelay = isRelay
        self.handler = handler
    }
}

extension HTTPRequest.Method {
    /// Stands in the list of routes for every method.
    static let any: Self = {
        guard let any = Self("ANY") else { preconditionFailure("ANY is no method's name") }
        return any
    }()
}
