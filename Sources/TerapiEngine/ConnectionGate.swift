import Synchronization
import TerapiCore

/// Holds back a connection's requests while its provider has asked for a pause.
///
/// The pause belongs to the connection: every request through it waits, whichever run met the limit.
final class ConnectionGate: Sendable {
    private let pausedUntil = Mutex<[Int64: Timestamp]>([:])
    private let clock: any WallClock

    init(clock: any WallClock) {
        self.clock = clock
    }

    func pause(_ connectionID: Int64, for duration: Duration) {
        let moment = clock.now + duration
        pausedUntil.withLock { $0[connectionID] = max($0[connectionID] ?? moment, moment) }
    }

    /// How long the pause that is in force still lasts.
    func pauseLeft(_ connectionID: Int64) -> Duration? {
        pausedUntil.withLock { $0[connectionID] }.map { $0 - clock.now }
    }

    /// Returns when no pause is in force.
    func pass(_ connectionID: Int64) async throws {
        while let moment = pausedUntil.withLock({ $0[connectionID] }) {
            if moment <= clock.now {
                pausedUntil.withLock { paused in
                    if paused[connectionID] == moment { paused[connectionID] = nil }
                }
            } else {
                try await clock.sleep(until: moment)
            }
        }
    }
}
