import TerapiCore
import Testing

@testable import TerapiProviders

struct RetryRuleTests {
    private let now = Sample.now

    private func step(
        _ status: Int,
        headers: [(name: String, value: String)] = [],
        body: String = "",
        attempt: Int = 1,
        retries: Int = 0,
        retryOn: [Int] = [],
        retryHeaders: [String] = [],
        retry: Provider.Retry = Provider.Retry()
    ) -> RequestStep {
        RetryRule(retry: retry).step(
            after: ScriptResponse(status: status, headers: headers, body: Array(body.utf8)),
            to: ScriptRequest(
                method: "GET", endpoint: "/", retries: retries, retryOn: retryOn, retryHeaders: retryHeaders),
            attempt: attempt,
            now: now
        )
    }

    @Test(arguments: [
        (200, 0, RequestStep.answer), (304, 3, .answer), (400, 3, .answer), (404, 3, .answer),
        (401, 0, .refreshCredentials),
        (403, 3, .answer), (500, 0, .answer), (500, 1, .retry(after: .seconds(3))),
        (503, 1, .retry(after: .seconds(3))),
        (429, 0, .retry(after: .seconds(3))),
    ])
    func `without a word of the provider`(status: Int, retries: Int, expected: RequestStep) {
        #expect(step(status, retries: retries) == expected)
    }

    @Test(arguments: [(1, 3), (2, 6), (3, 12), (8, 384), (9, 600), (40, 600)])
    func `doubles the wait up to ten minutes`(attempt: Int, seconds: Int) {
        #expect(step(429, attempt: attempt) == .retry(after: .seconds(seconds)))
    }

    @Test(
        arguments: [
            ("7", 7), ("0", 0), ("1.5", 1.5), ("Tue, 14 Nov 2023 22:14:20 GMT", 60), ("1700000060", 60),
            ("1700000060000", 60),
            ("2023-11-14T22:14:20Z", 60), ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("99999999", 86_400), ("-5", 3),
            ("soon", 3),
            ("NaN", 3), ("inf", 3),
        ] as [(String, Double)]
    )
    func `obeys Retry-After in every form`(value: String, seconds: Double) {
        #expect(step(429, headers: [("retry-after", value)]) == .retry(after: .milliseconds(Int64(seconds * 1000))))
    }

    @Test func `a limit is told by a spent quota or a Retry-After, whatever the status`() {
        var retry = Provider.Retry()
        retry.remaining = "x-ratelimit-remaining"
        retry.at = ["x-ratelimit-reset"]
        let spent = [(name: "x-ratelimit-remaining", value: "0"), (name: "x-ratelimit-reset", value: "1700000030")]
        let left = [(name: "x-ratelimit-remaining", value: "10"), (name: "x-ratelimit-reset", value: "1700000030")]

        #expect(step(403, headers: spent, retry: retry) == .retry(after: .seconds(30)))
        #expect(step(403, headers: left, retry: retry) == .answer)
        #expect(step(403, headers: [("retry-after", "60")]) == .retry(after: .seconds(60)))
        #expect(step(503, headers: [("retry-after", "60")]) == .retry(after: .seconds(60)))
        #expect(step(200, headers: spent, retry: retry) == .answer)
    }

    @Test func `waits for the longest of several times`() {
        var retry = Provider.Retry()
        retry.at = ["reset-a", "reset-b"]
        retry.after = ["wait"]

        let step = step(
            429,
            headers: [("reset-a", "1700000010"), ("reset-b", "1700000040"), ("wait", "20")],
            retry: retry
        )

        #expect(step == .retry(after: .seconds(40)))
    }

    @Test func `what the caller says of the headers goes before what the provider's description says`() {
        var retry = Provider.Retry()
        retry.after = ["wait"]
        let headers = [
            (name: "wait", value: "90"), (name: "x-reset", value: "1700000010"), (name: "x-wait", value: "7"),
        ]

        let own = step(429, headers: headers, retryHeaders: ["x-reset", "x-wait"], retry: retry)
        let absent = step(429, headers: headers, retryHeaders: ["x-other"], retry: retry)
        let failed = step(500, headers: headers, retries: 1, retryHeaders: ["x-wait"], retry: retry)

        #expect(own == .retry(after: .seconds(10)))
        #expect(absent == .retry(after: .seconds(90)))
        #expect(failed == .retry(after: .seconds(7)))
    }

    @Test func `the provider's list of statuses takes the place of the usual one`() {
        var retry = Provider.Retry()
        retry.errorCodes = ["418", "50x", "520-522", "4xx"]

        #expect(step(418, retries: 1, retry: retry) == .retry(after: .seconds(3)))
        #expect(step(521, retries: 1, retry: retry) == .retry(after: .seconds(3)))
        #expect(step(404, retries: 1, retry: retry) == .retry(after: .seconds(3)))
        #expect(step(500, retries: 1, retry: retry) == .answer)
    }

    @Test func `the caller's list adds to it, as often as the caller says`() {
        #expect(step(409, retries: 2, retryOn: [409]) == .retry(after: .seconds(3)))
        #expect(step(409, attempt: 3, retries: 2, retryOn: [409]) == .answer)
        #expect(step(409, retries: 0, retryOn: [409]) == .answer)
    }

    @Test func `finds the time in the body`() {
        var retry = Provider.Retry()
        retry.inBody = .init(path: "error.message", pattern: "/Retry after (.+)/", isMoment: true)

        let step = step(429, body: #"{"error":{"message":"Limit. Retry after 2023-11-14T22:14:20Z"}}"#, retry: retry)

        #expect(step == .retry(after: .seconds(60)))
    }
}
