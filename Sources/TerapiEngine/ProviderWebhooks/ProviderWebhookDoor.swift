import Logging
import Synchronization
import TerapiCore

/// Takes one request of a provider: handshake, check of the raw bytes, durable store, answer.
struct ProviderWebhookDoor: Sendable {
    /// A larger body is read only when its sender is known: reading costs more than checking.
    private static let largestUnknownBody = 65_536

    let services: EngineServices
    private let places: ProviderWebhookPlaces
    private let keySets: WebhookKeySets
    private let refusals = RefusalLog()

    init(services: EngineServices) {
        self.services = services
        places = ProviderWebhookPlaces(services: services)
        keySets = WebhookKeySets(services: services)
    }

    func forgetPlaces() {
        places.forget()
    }

    func receive(_ request: ProviderWebhookRequest, at address: ProviderWebhookAddress) async throws
        -> ProviderWebhookAnswer
    {
        let place = try await places.place(address)
        guard let rule = place.rule else {
            refuse(place, "The provider \(place.integration.provider) has no webhook rule. Nothing was kept.")
            return ProviderWebhookAnswer(status: 204)
        }
        let isSmall = request.body.count <= Self.largestUnknownBody
        var content = WebhookContent(request, rule: rule, readsBody: isSmall || rule.verificationReadsBody)
        var keys = try await places.keys(place, rule, content)
        if let reply = content.handshake(rule, afterVerification: false, keys: keys) {
            return try await answer(reply, place, rule, content)
        }
        guard request.method == "POST" else { return Self.methodNotAllowed }

        var (verdict, claims) = try await verify(content, rule, keys, place)
        if verdict != .genuine {
            // The secret may have been changed a moment ago.
            let fresh = try await places.place(address, fresh: true)
            guard let rule = fresh.rule else { return ProviderWebhookAnswer(status: 204) }
            keys = try await places.keys(fresh, rule, content)
            (verdict, claims) = try await verify(content, rule, keys, fresh)
        }
        switch verdict {
        case .genuine: break
        case .unsigned(let reason): return reject(place, rule, .webhookMissingSignature, reason)
        case .refused(let reason): return reject(place, rule, .webhookInvalidSignature, reason)
        }

        if !isSmall { content = WebhookContent(request, rule: rule) }
        guard content.isReadable else {
            refuse(place, "The body is not what the provider sends. Nothing was kept.")
            return Self.error(.webhookInvalidPayload, "The body is not what the provider sends.", status: 400)
        }
        if let reply = content.handshake(rule, afterVerification: true, keys: keys) {
            return try await answer(reply, place, rule, content)
        }
        let now = services.clock.now
        try await services.incoming.store(
            ProviderWebhook(
                id: ProviderWebhook.newID(now: now),
                scope: place.scope,
                integrationID: place.integration.id,
                integrationKey: place.integration.key,
                subscriptionID: place.subscription?.id,
                request: request,
                claims: claims,
                receivedAt: now,
                dueAt: now
            )
        )
        services.incomingWakeUp.ring()
        return content.answer(rule)
    }

    private func verify(
        _ content: WebhookContent,
        _ rule: ProviderWebhookRule,
        _ keys: [String: [Secret]],
        _ place: ProviderWebhookPlace
    ) async throws -> (WebhookVerdict, claims: JSONValue?) {
        var keySet: JSONValue?
        if let url = rule.keySetURL { keySet = try await keySets.keySet(url, keyID: content.tokenKeyID(rule)) }
        let verifier = WebhookVerifier(rule: rule, keys: keys, keySet: keySet, now: services.clock.now)
        return verifier.verify(content, hasAddressToken: place.subscription != nil)
    }

    private func answer(
        _ reply: WebhookContent.HandshakeReply,
        _ place: ProviderWebhookPlace,
        _ rule: ProviderWebhookRule,
        _ content: WebhookContent
    ) async throws -> ProviderWebhookAnswer {
        switch reply {
        case .refused(let status):
            refuse(place, "A handshake held a wrong word.")
            return Self.error(.webhookInvalidSignature, "A word of the handshake is wrong.", status: status)
        case .answer(let answer, let secret):
            guard let secret else { return answer }
            guard try await learn(secret, place, rule, content) else {
                return reject(
                    place, rule, .webhookInvalidSignature,
                    "Another secret is known already. Delete the webhook subscription to let the provider tell a new one."
                )
            }
            return answer
        }
    }

    /// Keeps a secret that the provider tells, once: later anybody could tell one.
    /// - Returns: whether it is the one that is known now.
    private func learn(
        _ secret: Secret,
        _ place: ProviderWebhookPlace,
        _ rule: ProviderWebhookRule,
        _ content: WebhookContent
    ) async throws -> Bool {
        guard !secret.reveal().isEmpty, secret.reveal().utf8.count <= 4096 else { return false }
        // As it is now: what was known a moment ago may have been without the secret still.
        var place = place
        if let id = place.subscription?.id { place.subscription = try await services.incoming.subscription(id) }
        if place.subscription == nil, rule.isPerConnection { return false }
        let known = try await places.registrations(place, rule, content).first
        if var known {
            if let present = known.secret { return present == secret }
            known.secret = secret
            try await services.incoming.updateSubscription(known)
            return true
        }
        _ = try await services.incoming.createSubscription(
            WebhookSubscription(
                scope: place.scope,
                integrationID: place.integration.id,
                integrationKey: place.integration.key,
                connectionID: nil,
                secret: secret,
                createdAt: services.clock.now
            )
        )
        return true
    }

    // MARK: Refusals

    private func reject(
        _ place: ProviderWebhookPlace,
        _ rule: ProviderWebhookRule,
        _ code: TerapiError.Code,
        _ reason: String
    ) -> ProviderWebhookAnswer {
        refuse(place, reason)
        let message =
            code == .webhookMissingSignature
            ? "The request is not signed." : "The signature of the request is not valid."
        return Self.error(code, message, status: rule.rejectStatus)
    }

    /// The reason goes to the log of the team, never to who asks.
    private func refuse(_ place: ProviderWebhookPlace, _ reason: String) {
        guard refusals.mayLog(place.integration.id, at: services.clock.now) else { return }
        let log = OperationLog(
            LogOperation(
                scope: place.scope,
                kind: .incomingWebhook,
                message: "A webhook was refused.",
                integrationKey: place.integration.key,
                createdAt: services.clock.now
            ),
            sink: services.log,
            clock: services.clock
        )
        log.end(.failed, reason)
    }

    private static func error(_ code: TerapiError.Code, _ message: String, status: Int) -> ProviderWebhookAnswer {
        .json(["error": ["code": .string(code.rawValue), "message": .string(message)]], status: status)
    }

    private static var methodNotAllowed: ProviderWebhookAnswer {
        var answer = error(.methodNotAllowed, "This address takes POST.", status: 405)
        answer.headers.append(.init("allow", "POST"))
        return answer
    }
}

/// Keeps those who send rubbish from filling the logs: one line a second for each integration.
private final class RefusalLog: Sendable {
    private let last = Mutex<[Int64: Timestamp]>([:])

    func mayLog(_ integrationID: Int64, at now: Timestamp) -> Bool {
        last.withLock { last in
            if let moment = last[integrationID], now - moment < .seconds(1) { return false }
            last[integrationID] = now
            return true
        }
    }
}
