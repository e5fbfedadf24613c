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

    /// How it came that a refresh token was sent a second time.
    struct Reuse {
        /// When the provider traded it for new tokens.
        var usedAt: Timestamp
        /// Whether these have ever come: if not, their answer may have been lost on its way.
        var isAnswerSeen: Bool

        var json: JSONValue { ["used_at": JSONValue(usedAt), "answer_seen": .bool(isAnswerSeen)] }
    }

    private struct Counts {
        var events: [Event: Int] = [:]
        var reuses: [Reuse] = []
        var pages: [String: Int] = [:]
    }

    private let counts = Mutex(Counts())

    func count(_ event: Event) {
        counts.withLock { $0.events[event, default: 0] += 1 }
    }

    func note(_ reuse: Reuse) {
        counts.withLock { $0.reuses.append(reuse) }
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
        members.append(("reuses", .array(counts.reuses.map(\.json))))
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
