import TerapiCore

/// What is known of a partner's platform: everything that its files are made of.
public struct PartnerAnswers: Sendable {
    public enum Authorization: Sendable {
        case oauth2(OAuth2)
        case apiKey(Place)
    }

    public struct OAuth2: Sendable {
        var authorizationURL: String
        var tokenURL: String
        var refreshURL: String?
        var scopes: [String]
        var usesPKCE: Bool
        /// Whether the client shows itself in a header and not in the body.
        var usesBasic: Bool
    }

    /// Where something stands in a request.
    public enum Place: Sendable, Equatable {
        case header(String)
        case query(String)
        case path
        /// As `Authorization: Bearer`.
        case bearer
    }

    /// Where it is said who connected.
    public enum UserID: Sendable {
        case token(path: String)
        case request(endpoint: String, path: String)
    }

    public struct Range: Sendable {
        /// As `backfill.as` of a sync names it.
        var format: String
        var start: Place
        var end: Place?
    }

    public struct DataType: Sendable {
        public var name: String
        var model: StandardModel
        var endpoint: String
        var example: JSONValue
        /// Where the list is in the answer; empty when the answer is the list.
        var items: String
        var itemsAreGuessed: Bool
        var range: Range?
        var user: Place?
        /// As `request.paginate` of a sync has it.
        var paging: JSONObject?
        var frequency: String
        /// Of a sync's map: what is not to be guessed.
        var map: [(name: String, expression: String)]
        /// What a record's time is, in JavaScript over `item`; guessed without it.
        var time: String?

        /// The first item of the example.
        var item: JSONValue { (items.isEmpty ? example : example.value(at: items))?.array?.first ?? .null }
    }

    public struct Signature: Sendable {
        var header: String
        /// `sha1`, `sha256` or `sha512`; `nil` when the header is the secret itself.
        var digest: String?
        var prefix: String
        var encoding: String
        /// The header with the time that is signed before the body, with a dot between them.
        var timeHeader: String?
    }

    public struct Event: Sendable {
        /// The data type.
        var type: String
        /// The events that are about it; `*` stands for any text.
        var names: [String]
        var namesAreGuessed: Bool
        var example: JSONValue?
        /// Where the record is in the event.
        var record: String?
    }

    public struct Push: Sendable {
        var signature: Signature
        var user: String
        var type: String?
        var id: String?
        var events: [Event]
        var safetyFrequency: String
    }

    public var name: String
    var displayName: String
    var docs: String
    var authorization: Authorization
    var baseURL: String
    var userID: UserID?
    var types: [DataType]
    var backfillDays: Int
    var windowDays: Int
    var push: Push?
}
