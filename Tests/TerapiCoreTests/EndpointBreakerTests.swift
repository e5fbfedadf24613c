import TerapiCore
import Testing

struct EndpointBreakerTests {
    private let start = Timestamp(microseconds: 1_700_000_000_000_000)

    @Test func `opens at ten in a row, and longer each time that the one which finds out fails`() {
        var failures = EndpointFailures()
        var now = start
        for count in 1...9 {
            let opens = failures.fail(at: now, .webhooks)
            #expect(!opens, "\(count)")
            #expect(failures.quota(at: now, usual: 10) == 10)
        }

        for seconds in [30, 60, 120, 240, 480, 600, 600] as [Double] {
            let opens = failures.fail(at: now, .webhooks)
            #expect(opens)
            #expect(failures.openUntil.map { ($0 - now).seconds } == seconds)
            #expect(failures.quota(at: now + .seconds(seconds - 1), usual: 10) == 0)
            now = now + .seconds(seconds)
            #expect(failures.quota(at: now, usual: 10) == 1)
        }
    }

    @Test func `does not take what was under way before for news`() {
        var failures = EndpointFailures()
        for _ in 1...10 { failures.fail(at: start, .webhooks) }
        let until = failures.openUntil

        for _ in 1...9 {
            let opens = failures.fail(at: start + .seconds(15), .webhooks)
            #expect(!opens)
        }

        #expect(failures.openUntil == until && failures.openings == 1)
    }
}
