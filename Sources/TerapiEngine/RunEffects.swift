import Synchronization

/// Knows whether a run has sent anything that may have had an effect at the provider.
///
/// Where the run is kept, the fact is on the disk before the first such request leaves: after a crash it decides whether
/// the run may be repeated.
final class RunEffects: Sendable {
    private let sent = Mutex(false)
    private let note: @Sendable () async throws -> Void

    /// - Parameter note: keeps the fact; may be called twice when two requests are sent at once.
    init(note: @escaping @Sendable () async throws -> Void = {}) {
        self.note = note
    }

    var hasSent: Bool { sent.withLock { $0 } }

    /// Before a request with this method leaves.
    func beforeSending(_ method: String) async throws {
        guard method != "GET", method != "HEAD", !hasSent else { return }
        try await note()
        sent.withLock { $0 = true }
    }
}
