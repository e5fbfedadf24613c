import Synchronization
import TerapiCore

/// Tells who asks from the token that was sent.
///
/// Keys are remembered for some seconds, so that not each of thousands of requests a second asks the database.
final class Authenticator: Sendable {
    /// How long a key that was deleted elsewhere may go on to work.
    private static let memory = Duration.seconds(5)
    private static let capacity = 10_000
    /// How often a key's use is noted at most.
    private static let useInterval = Duration.seconds(60)

    private struct Remembered {
        var key: APIKey
        var until: Timestamp
        /// The last use that was noted, or is being noted.
        var usedAt: Timestamp?

        /// Whether this use is to be noted.
        mutating func use(at now: Timestamp) -> Bool {
            guard usedAt.map({ now - $0 >= Authenticator.useInterval }) ?? true else { return false }
            usedAt = now
            return true
        }
    }

    private let settings: any SettingsStorage
    private let connections: any ConnectionStorage
    private let clock: any WallClock
    private let remembered = Mutex<[Secret: Remembered]>([:])

    init(settings: any SettingsStorage, connections: any ConnectionStorage, clock: any WallClock) {
        self.settings = settings
        self.connections = connections
        self.clock = clock
    }

    /// The token of an `Authorization` header.
    func bearerToken(_ header: String?) throws -> String {
        guard let header else {
            throw TerapiError(.missingAuthHeader, "Send the header \"Authorization: Bearer <API key>\".")
        }
        let parts = header.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].lowercased() == "bearer", !parts[1].isEmpty else {
            throw TerapiError(
                .malformedAuthHeader,
                "The Authorization header is not of the form \"Bearer <API key>\"."
            )
        }
        return String(parts[1])
    }

    func key(_ text: String) async throws -> APIKey {
        let secret = Secret(text)
        let now = clock.now
        let known = remembered.withLock { memory -> (key: APIKey, isNoted: Bool)? in
            guard let entry = memory[secret], entry.until > now else { return nil }
            let isNoted = memory[secret]?.use(at: now) ?? false
            return (entry.key, isNoted)
        }
        if let known {
            if known.isNoted { noteUse(of: known.key, at: now) }
            return known.key
        }
        guard let token = Token(text, .apiKey) else {
            throw TerapiError(
                .invalidSecretKeyFormat,
                "This is not an API key of Terapi: it begins with terapi_sk_ and holds 72 characters more. A character "
                    + "may be missing or mistyped."
            )
        }
        guard let key = try await settings.apiKey(tokenHash: token.hash) else {
            throw TerapiError(.unknownAccount, "No environment has this API key. It may have been deleted.")
        }
        let isNoted = remembered.withLock { memory in
            // What is being noted is not in the database yet.
            let usedAt = [memory[secret]?.usedAt, key.lastUsedAt].compactMap(\.self).max()
            if memory.count >= Self.capacity { memory.removeAll() }
            var entry = Remembered(key: key, until: now + Self.memory, usedAt: usedAt)
            let isNoted = entry.use(at: now)
            memory[secret] = entry
            return isNoted
        }
        if isNoted { noteUse(of: key, at: now) }
        return key
    }

    /// Beside the request, which never waits for a write. A note that fails is made good by a use after it.
    private func noteUse(of key: APIKey, at now: Timestamp) {
        Task { [settings] in try? await settings.noteUse(ofAPIKey: key.id, at: now) }
    }

    func session(_ text: String) async throws -> ConnectSession {
        guard let token = Token(text, .connectSession) else {
            throw TerapiError(
                .invalidConnectSessionTokenFormat,
                "This is not a connect session token: it begins with terapi_connect_session_ and holds 64 characters more."
            )
        }
        guard let session = try await connections.session(tokenHash: token.hash, now: clock.now) else {
            throw TerapiError(
                .unknownConnectSessionToken,
                "The connect session is unknown or has expired. Ask for a new one with POST /connect/sessions."
            )
        }
        return session
    }

    /// Lets a deleted key stop at once.
    func forget(keyID: Int64) {
        remembered.withLock { memory in
            memory = memory.filter { $0.value.key.id != keyID }
        }
    }

    static func isSessionToken(_ text: String) -> Bool {
        text.hasPrefix("terapi_connect_session_")
    }
}
