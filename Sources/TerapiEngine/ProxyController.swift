import Synchronization
public import TerapiCore

/// Sends customers' own requests through connections, and logs them.
public final class ProxyController: ProxyControl {
    /// Bodies of a known length up to this one are kept, so that the request can be sent again.
    static let keptBytes = 1_000_000
    /// Bodies into which the provider's file puts fields of its own, or that are signed, are kept up to this size.
    static let neededBytes = 10_000_000
    /// For how long a connection is known without asking the database.
    private static let age = Duration.seconds(1)
    private static let capacity = 10_000

    private struct Name: Hashable {
        var environmentID: Int64
        var integrationKey: String
        var connectionID: String
    }

    private struct Place {
        var connection: Connection
        var integration: Integration
        var recent: RecentCredentials
        var until: Timestamp
    }

    private let services: EngineServices
    private let places = Mutex<[Name: Place]>([:])

    init(services: EngineServices) {
        self.services = services
    }

    public func open(_ request: ProxyRequest) async throws -> any OutboundAnswer {
        let place = try await place(of: request)
        let trace = ProxyTrace(request, begunAt: services.clock.now)
        let log = OperationLog(
            LogOperation(
                scope: request.scope,
                kind: .proxyCall,
                message: trace.title,
                integrationKey: request.integrationKey,
                connectionID: request.connectionID,
                createdAt: trace.begunAt
            ),
            sink: services.log,
            clock: services.clock
        )
        do {
            let request = try await keepingBody(request, place.integration)
            try checkPause(of: place.connection)
            let client = ConnectionClient(
                connection: place.connection,
                integration: place.integration,
                providers: services.providers,
                credentials: services.credentials,
                gate: services.gate,
                clock: services.clock,
                log: log,
                recent: place.recent
            )
            return LoggedAnswer(try await client.open(request), trace, log, services.clock)
        } catch let error as TerapiError {
            log.end(.failed, error.message)
            throw Self.shown(log.redacted(error), for: request)
        } catch is CancellationError {
            log.end(.cancelled, "The caller went away before there was an answer.")
            throw CancellationError()
        } catch {
            // Only the caller's body can fail in another way.
            log.end(.cancelled, "The request's body broke off.")
            throw error
        }
    }

    private func place(of request: ProxyRequest) async throws -> Place {
        let name = Name(
            environmentID: request.scope.environmentID,
            integrationKey: request.integrationKey,
            connectionID: request.connectionID
        )
        let now = services.clock.now
        if let known = places.withLock({ $0[name] }), now < known.until { return known }
        do {
            let (connection, integration) = try await services.connected(
                request.connectionID,
                integrationKey: request.integrationKey,
                in: request.scope
            )
            let place = Place(
                connection: connection,
                integration: integration,
                recent: RecentCredentials(),
                until: now + Self.age
            )
            places.withLock { places in
                if places.count >= Self.capacity { places.removeAll() }
                places[name] = place
            }
            return place
        } catch var error as TerapiError where error.code == .unknownProvider {
            error.code = .unknownProviderConfig
            throw error
        }
    }

    /// Takes a body in when it is small enough to be sent again, or must be changed, or is part of a signature.
    private func keepingBody(_ request: ProxyRequest, _ integration: Integration) async throws -> ProxyRequest {
        guard let body = request.body else { return request }
        let provider = services.providers.provider(integration.provider)
        let type = request.request.contentType
        let isMerged = provider?.proxy.body != nil && request.request.hasFields
        let isNeeded = isMerged || provider?.signsBody(type: type, integrationConfig: integration.custom) ?? false
        guard isNeeded || body.length.map({ $0 <= Self.keptBytes }) ?? false else { return request }
        var kept = request
        kept.request.body = try await body.collected(limit: isNeeded ? Self.neededBytes : Self.keptBytes)
        kept.body = nil
        return kept
    }

    /// Somebody waits: better to say at once how long the provider wants no requests.
    private func checkPause(of connection: Connection) throws {
        guard let left = services.gate.pauseLeft(connection.id), left > .seconds(60) else { return }
        let seconds = Int(left.seconds.rounded(.up))
        throw TerapiError(
            .tooManyRequests,
            "The provider has asked for a pause of this connection, which lasts \(seconds) s more.",
            retryAfterSeconds: seconds
        )
    }

    private static func shown(_ error: TerapiError, for request: ProxyRequest) -> TerapiError {
        var shown = error
        let isRelative = !request.request.endpoint.contains("://")
        if error.code == .outboundRefused, request.request.baseURLOverride != nil, isRelative {
            shown.code = .baseURLOverrideNotAllowed
        }
        return shown
    }
}

extension ScriptRequest {
    fileprivate var contentType: String {
        headers.last { $0.name.lowercased() == "content-type" }?.value.lowercased() ?? ""
    }

    /// Whether its body is one into which further fields can be put.
    fileprivate var hasFields: Bool {
        let type = contentType
        return type.hasPrefix("application/x-www-form-urlencoded") || type.contains("json")
    }
}
