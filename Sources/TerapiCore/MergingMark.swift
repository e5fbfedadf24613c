import Synchronization

/// A place in a stream from which on a run leaves alone what others change.
///
/// The run's own changes have positions behind the place too, so the storage notes them here as it gives them out.
public final class MergingMark: Sendable {
    /// The stream's position when the mark was set.
    public let position: Int64
    /// In their order. Ranges that touch are one: there are more only where others have written in between.
    private let own = Mutex<[Range<Int64>]>([])

    public init(position: Int64) {
        self.position = position
    }

    /// Notes positions that a change with this mark has taken, behind all that were noted before.
    public func note(_ positions: Range<Int64>) {
        own.withLock { own in
            if let last = own.last, last.upperBound == positions.lowerBound {
                own[own.count - 1] = last.lowerBound..<positions.upperBound
            } else {
                own.append(positions)
            }
        }
    }

    /// Whether a record that stands at this position was changed by another since the mark was set.
    public func isOthers(_ position: Int64) -> Bool {
        position > self.position && !own.withLock { own in own.contains { $0.contains(position) } }
    }
}
