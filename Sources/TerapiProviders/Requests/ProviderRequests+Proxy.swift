public import TerapiCore

extension ProviderRequests {
    /// The longest time without a byte in either direction: some providers think for minutes.
    static let proxyIdleTimeout = Duration.seconds(300)

    public func open(_ request: ProxyRequest, access: ConnectionAccess) async throws -> any OutboundAnswer {
        let provider = try required(access.integration.provider)
        var outbound = try ConnectionRequest(provider: provider, values: values(access))
            .build(
                request.request, purpose: .proxy, timeout: Self.proxyIdleTimeout, bodyFlows: request.body != nil
            )
        outbound.asksForCompression = request.decompresses
        if request.forwardsHeadersOnRedirect { outbound.redirects = .followWithHeaders }
        // The provider's own fields go only into a body that was kept.
        if request.body != nil { outbound.body = nil }
        let answer = try await client.open(outbound, body: request.body)
        return request.decompresses ? InflatedAnswer.of(answer) : answer
    }
}
