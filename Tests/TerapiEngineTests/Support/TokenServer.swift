import Synchronization
import TerapiCore

/// A provider's token endpoint: every refresh token works once, and showing one again revokes all of its family.
final class TokenServer: Sendable {
    /// What happens to one call in place of the usual.
    enum Fault: Sendable {
        case answer(status: Int, contentType: String, body: String, retryAfter: String? = nil)
        /// Nothing leaves.
        case notSent
        /// It leaves and nothing comes back; the token is as before.
        case timeout
        /// The token is rotated and the answer is lost.
        case lostAnswer
    }

    private struct Family {
        /// Of the pair that is valid now: `access-3` and `refresh-3`.
        var number = 1
        var isRevoked = false
    }

    private struct State {
        var families: [String: Family] = [:]
        var faults: [Fault] = []
        var calls = 0
        var shown: [String] = []
        var beforeAnswer: (@Sendable () async -> Void)?
    }

    static let life = 3600

    private let state = Mutex(State())

    /// Calls that have arrived, whatever became of them.
    let arrived = Counter()

    var calls: Int { state.withLock { $0.calls } }
    /// The refresh tokens that were shown, in their order.
    var shown: [String] { state.withLock { $0.shown } }

    func isRevoked(_ connectionID: String) -> Bool {
        state.withLock { $0.families[connectionID]?.isRevoked ?? false }
    }

    /// The next calls fail in these ways, one after the other.
    func fail(_ faults: Fault...) {
        state.withLock { $0.faults += faults }
    }

    /// Done when the token has been rotated and before the answer leaves.
    func beforeAnswer(_ body: (@Sendable () async -> Void)?) {
        state.withLock { $0.beforeAnswer = body }
    }

    func refresh(_ access: ConnectionAccess) async -> RefreshReply {
        guard case .oauth2(let oauth) = access.credentials, let token = oauth.refreshToken?.reveal() else {
            return .notSent(TerapiError(.serverError, "There is no refresh token."))
        }
        let (fault, hook) = state.withLock { state in
            state.calls += 1
            state.shown.append(token)
            return (state.faults.isEmpty ? nil : state.faults.removeFirst(), state.beforeAnswer)
        }
        arrived.increment()
        switch fault {
        case .notSent:
            return .notSent(TerapiError(.providerUnreachable, "The provider's name cannot be resolved."))
        case .timeout:
            return .unknown(TerapiError(.providerUnreachable, "The provider did not answer in time."))
        case .lostAnswer:
            _ = rotate(token, of: access.connectionID)
            return .unknown(TerapiError(.providerUnreachable, "The provider did not answer in time."))
        case .answer(let status, let contentType, let body, let retryAfter):
            return .answer(
                RefreshAnswer(
                    status: status,
                    contentType: contentType,
                    retryAfter: retryAfter,
                    body: Array(body.utf8)
                )
            )
        case nil:
            let answer = rotate(token, of: access.connectionID)
            await hook?()
            return .answer(answer)
        }
    }

    private func rotate(_ token: String, of connectionID: String) -> RefreshAnswer {
        let number = state.withLock { state -> Int? in
            var family = state.families[connectionID] ?? Family()
            defer { state.families[connectionID] = family }
            guard !family.isRevoked, token == "refresh-\(family.number)" else {
                family.isRevoked = true
                return nil
            }
            family.number += 1
            return family.number
        }
        let body: JSONValue =
            number.map { number in
                [
                    "access_token": "access-\(number)", "refresh_token": "refresh-\(number)",
                    "expires_in": JSONValue(Self.life), "token_type": "bearer",
                ]
            } ?? ["error": "invalid_grant"]
        return RefreshAnswer(
            status: number == nil ? 400 : 200,
            contentType: "application/json",
            retryAfter: nil,
            body: body.encoded()
        )
    }
}
