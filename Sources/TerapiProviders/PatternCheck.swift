import Synchronization

/// Tells which patterns of form fields can be checked. Files repeat them often, and each takes a while to understand.
enum PatternCheck {
    private static let known = Mutex<[String: Bool]>([:])

    static func isReadable(_ pattern: String) -> Bool {
        if let answer = known.withLock({ $0[pattern] }) { return answer }
        let answer = (try? Regex(pattern)) != nil
        known.withLock { known in
            if known.count >= 10_000 { known = [:] }
            known[pattern] = answer
        }
        return answer
    }
}
