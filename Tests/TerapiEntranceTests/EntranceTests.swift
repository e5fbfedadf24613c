import TerapiCore
import TestSupport
import Testing

/// Every way by which somebody else's URL becomes a request of ours, with every spelling of a forbidden address.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct EntranceTests {
    @Test(arguments: Entrance.all)
    func `no spelling of a forbidden address gets through`(entrance: Entrance) async throws {
        try await Installation.with { port in
            var setting = try entrance.setting(Self.urls(for: entrance, port: port), port)
            if entrance.needsNeighbour { setting.allowed = [Neighbour.network] }
            return setting
        } use: { installation in
            let port = installation.trap.port
            let urls = Self.urls(for: entrance, port: port)
            let plain = Set(Self.plain(port: port))

            let verdicts = try await entrance.attempt(installation, urls)

            #expect(urls.count >= 400 && verdicts.count == urls.count)
            // One expectation for each of so many would take longer than the requests.
            let surprises = zip(urls, verdicts).compactMap { url, verdict -> String? in
                guard case .refused(let code, let message) = verdict else {
                    let isPath = !url.lowercased().hasPrefix("http://")
                    return entrance.takesPaths && isPath ? nil : "\(url) was not refused"
                }
                let namesSetting = message.contains("TERAPI_OUTBOUND_ALLOW")
                let isExpected =
                    entrance.codes.contains(code) && (namesSetting || Self.isDocumented(message, of: entrance))
                    && (namesSetting || entrance.keepsOrigin || !plain.contains(url))
                return isExpected ? nil : "\(url): \(code): \(message)"
            }
            #expect(surprises.isEmpty)
            #expect(installation.trap.connectionCount == 0)
            // A spelling that a resolver was asked about is one that it might have understood.
            let strangers = installation.names.questions.filter { name in
                !TrapNames.leading.contains { $0.lowercased() == name || $0.lowercased() == name + "." }
                    && !name.hasSuffix(".canary.example")
            }
            #expect(strangers.isEmpty)
        }
    }

    @Test(arguments: Entrance.all)
    func `the same entrance leads to the trap once its network is listed`(entrance: Entrance) async throws {
        try await Installation.with { port in
            var setting = try entrance.setting(Self.permitted(by: entrance, port: port), port)
            setting.allowed = ["127.0.0.0/8", "::1/128"]
            return setting
        } use: { installation in
            let urls = Self.permitted(by: entrance, port: installation.trap.port)

            let verdicts = try await entrance.attempt(installation, urls)

            #expect(verdicts == urls.map { _ in .reached })
            let requests = installation.trap.requests
            #expect(requests.count >= urls.count)
            if entrance.takesPaths { #expect(requests.contains { $0.target == "/allowed" }) }
        }
    }

    @Test func `the spellings are more than 400`() {
        #expect(Set(ForbiddenAddresses.urls(port: 80)).count >= 800)
    }

    // MARK: URLs

    private static func urls(for entrance: Entrance, port: Int) -> [String] {
        var urls = ForbiddenAddresses.urls(port: port)
        if entrance.isJourney {
            // Two of five spellings of addresses, and all forms that are no plain host.
            urls = urls.enumerated().filter { $0.offset % 5 < 2 || $0.offset >= 840 }.map(\.element)
        }
        urls += plain(port: port) + TrapNames.leading.map { "http://\($0):\(port)/latest/meta-data/" }
        if entrance.needsNeighbour { urls.removeAll(where: Neighbour.isNamed) }
        if entrance.isHeader { urls.removeAll { !$0.utf8.allSatisfy { (0x20..<0x7F).contains($0) } } }
        return urls
    }

    /// The addresses as everybody writes them: the answer must say which setting would permit them.
    private static func plain(port: Int) -> [String] {
        ForbiddenAddresses.ipv4.map { "http://\($0.0).\($0.1).\($0.2).\($0.3):\(port)/plain" }
    }

    private static func permitted(by entrance: Entrance, port: Int) -> [String] {
        let named = "http://canary.example:\(port)/allowed"
        return entrance.keepsOrigin ? [named] : [named, "http://127.0.0.1:\(port)/allowed"]
    }

    private static func isDocumented(_ message: String, of entrance: Entrance) -> Bool {
        message.contains("cannot be called:") || entrance.rules.contains { message.contains($0.rawValue) }
    }
}
