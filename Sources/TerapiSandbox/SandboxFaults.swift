import Synchronization
import TerapiCore

/// The ways in which the sandbox can misbehave, each as a real provider has done it.
enum Fault: String, CaseIterable {
    /// 429, with `Retry-After` when `retry_after` was given.
    case rateLimit = "rate_limit"
    case serverError = "server_error"
    /// 200 with a web page where JSON was asked for.
    case html
    case invalidJSON = "invalid_json"
    /// An answer that never ends.
    case endlessPage = "endless_page"
    /// The connection is cut in the middle of the page.
    case cut
    /// The page points to itself as the next one.
    case repeatedCursor = "repeated_cursor"
    /// One record of the page has no id.
    case missingID = "missing_id"
    case emptyList = "empty_list"
    /// 401, though the access token is good.
    case unauthorized
    /// The token endpoint answers 500 and uses nothing up.
    case tokenServerError = "token_server_error"
    /// The token endpoint refreshes, then cuts the connection: the worst moment for a one-use token.
    case tokenCut = "token_cut"
    /// The token endpoint refreshes, and its answer takes ten seconds.
    case tokenDelay = "token_delay"
    /// The token endpoint answers `invalid_grant`.
    case tokenInvalidGrant = "token_invalid_grant"

    var concernsTokens: Bool { rawValue.hasPrefix("token_") }
}

/// The faults that were ordered and are still to come.
final class SandboxFaults: Sendable {
    struct Order {
        var fault: Fault
        /// How many requests it is for; after that the sandbox behaves again.
        var times: Int
        /// How many requests go well before.
        var after: Int
        var retryAfterSeconds: Int?

        /// Reads `{"kind": "...", "times": 1, "after": 0, "retry_after": 2}`.
        init(json: JSONValue) throws {
            let kinds = Fault.allCases.map(\.rawValue).joined(separator: ", ")
            guard let fault = json["kind"]?.string.flatMap(Fault.init) else {
                throw TerapiError(.invalidBody, "kind must be one of \(kinds).")
            }
            self.fault = fault
            times = json["times"]?.int ?? 1
            after = json["after"]?.int ?? 0
            retryAfterSeconds = json["retry_after"]?.int
        }
    }

    private let orders = Mutex<[Order]>([])

    func add(_ order: Order) {
        orders.withLock { $0.append(order) }
    }

    func clear() {
        orders.withLock { $0 = [] }
    }

    /// The fault for the next request of the token endpoint, or of the API, if one was ordered.
    func take(forTokens: Bool) -> Order? {
        orders.withLock { orders in
            guard let index = orders.firstIndex(where: { $0.fault.concernsTokens == forTokens && $0.times > 0 }) else {
                return nil
            }
            guard orders[index].after == 0 else {
                orders[index].after -= 1
                return nil
            }
            orders[index].times -= 1
            return orders[index]
        }
    }
}
