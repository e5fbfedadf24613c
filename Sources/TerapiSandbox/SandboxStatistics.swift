import Synchronization
import TerapiCore

/// Counts what was asked of the sandbox, so that a test can say what was fetched twice or refreshed too often.
final class SandboxStatistics: Sendable {
    enum Event: String, CaseIterable {
        case codeGrant = "code_grants"
        case refreshGrant = "refresh_grants"
        /// A code or refresh token that came a second time.
        case reuse = "reuse"
        case refusedClient = "refused_clients"
        /// A request of the API without a valid access token.
        case unauthorized = "unauthorized"
        case fault = "faults"
    }

    private struct Counts {
        var events: [Event: Int] = [:]
        var pages: [String: Int] = [:]
    }

    private let counts = Mutex(Counts())

    func count(_ event: Event) {
        counts.withLock { $0.events[event, default: 0] += 1 }
    }

    /// - Parameter place: which page was asked for: its cursor or number, empty for the first.
    func countPage(_ place: String) {
        counts.withLock { $0.pages[place, default: 0] += 1 }
    }

    func reset() {
        counts.withLock { $0 = Counts() }
    }

    var json: JSONValue {
        let counts = counts.withLock { $0 }
        var members = Event.allCases.map { ($0.rawValue, JSONValue(counts.events[$0] ?? 0)) }
        members.append(("page_requests", JSONValue(counts.pages.values.reduce(0, +))))
        members.append(
            (
                "pages",
                .object(JSONObject(counts.pages.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }))
            )
        )
        return .object(JSONObject(members))
    }
}
