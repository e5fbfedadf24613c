import Synchronization
import TerapiCore
import TerapiProviders

/// A name server whose answers a test writes: one after the other, the last for ever.
final class StubResolver: HostResolver {
    private let answers: Mutex<[[String]]>
    private let asked = Mutex(0)

    init(_ answers: [String]...) {
        self.answers = Mutex(answers)
    }

    var questions: Int { asked.withLock { $0 } }

    func addresses(of host: String) async throws -> [IPAddress] {
        asked.withLock { $0 += 1 }
        let answer = answers.withLock { answers in answers.count > 1 ? answers.removeFirst() : answers[0] }
        return answer.compactMap(IPAddress.init)
    }
}

func loopback() throws -> [CIDR] {
    [CIDR("127.0.0.0/8"), CIDR("::1/128")].compactMap { $0 }
}
