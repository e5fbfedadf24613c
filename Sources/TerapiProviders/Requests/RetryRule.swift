import TerapiCore

/// What to do about an answer: hand it on, wait and ask again, or renew the credentials.
struct RetryRule {
    private static let firstWait = Duration.seconds(3)
    private static let longestWait = Duration.seconds(600)

    let retry: Provider.Retry

    /// - Parameter attempt: the attempt that has just been answered, counted from 1.
    func step(
        after response: ScriptResponse,
        to request: ScriptRequest,
        attempt: Int,
        now: Timestamp
    ) -> RequestStep {
        guard response.status >= 400 else { return .answer }
        let told = wait(toldBy: request.retryHeaders, of: response, now: now) ?? toldWait(response, now: now)
        if isLimited(response) { return .retry(after: told ?? guessedWait(attempt)) }
        if response.status == 401, request.isAuthorized { return .refreshCredentials }
        let isRetryable = request.retryOn.contains(response.status) || isListed(response.status)
        guard isRetryable, attempt <= request.retries else { return .answer }
        return .retry(after: told ?? guessedWait(attempt))
    }

    /// Whether the provider says "too much" and not "wrong".
    private func isLimited(_ response: ScriptResponse) -> Bool {
        if response.status == 429 { return true }
        if let remaining = retry.remaining, header(remaining, of: response) == "0", response.status < 500 {
            return true
        }
        return (response.status == 403 || response.status == 503) && header("retry-after", of: response) != nil
    }

    private func isListed(_ status: Int) -> Bool {
        guard let codes = retry.errorCodes else { return status >= 500 }
        return codes.contains { code in
            if code.count == 3, code.hasSuffix("xx") { return Int(code.prefix(1)) == status / 100 }
            let bounds = code.split(separator: "-").compactMap { Int($0) }
            return bounds.count == 2 ? (bounds[0] <= status && status <= bounds[1]) : bounds == [status]
        }
    }

    /// What the answer itself says; the longest when it says several things.
    private func toldWait(_ response: ScriptResponse, now: Timestamp) -> Duration? {
        wait(toldBy: retry.at + retry.after + ["retry-after"], of: response, now: now)
            ?? waitInBody(response, now: now)
    }

    private func wait(toldBy names: [String], of response: ScriptResponse, now: Timestamp) -> Duration? {
        names.compactMap { header($0, of: response).flatMap { Self.wait($0, now: now) } }.max()
    }

    private func waitInBody(_ response: ScriptResponse, now: Timestamp) -> Duration? {
        guard let rule = retry.inBody, let body = try? JSONReader.read(response.body),
            let text = body.value(at: rule.path)?.string?.prefix(2000)
        else { return nil }
        var pattern = rule.pattern[...]
        if pattern.hasPrefix("/"), pattern.hasSuffix("/"), pattern.count > 2 {
            pattern = pattern.dropFirst().dropLast()
        }
        guard let regex = try? Regex(String(pattern)), let match = try? regex.firstMatch(in: text),
            match.output.count > 1, let group = match.output[1].substring
        else { return nil }
        return Self.wait(String(group), now: now)
    }

    private func guessedWait(_ attempt: Int) -> Duration {
        min(Self.firstWait * (1 << min(max(attempt, 1) - 1, 10)), Self.longestWait)
    }

    private func header(_ name: String, of response: ScriptResponse) -> String? {
        response.headers.first { $0.name == name }?.value
    }

    /// Reads seconds to wait, a moment as seconds or milliseconds since 1970, or a date. Never less than nothing, never
    /// more than a day.
    static func wait(_ text: String, now: Timestamp) -> Duration? {
        let wait: Duration
        if let number = Double(text), number.isFinite, number >= 0 {
            let seconds =
                switch number {
                case 100_000_000_000...: number / 1000 - Double(now.microseconds) / 1_000_000
                case 1_000_000_000...: number - Double(now.microseconds) / 1_000_000
                default: number
                }
            wait = .milliseconds(Int64(min(seconds, 86_400) * 1000))
        } else if let moment = DateFormat.httpDate(text) ?? Timestamp(iso8601: text) {
            wait = moment - now
        } else {
            return nil
        }
        return min(max(wait, .zero), .seconds(86_400))
    }
}
