/// The keys below `webhook` in a provider file.
enum WebhookSchema {
    static let webhook = Shape.record([
        "url": .oneOf(["per_integration", "per_connection"]),
        "unpack": .either(
            .oneOf(["json", "form", "empty"]),
            .record(["form_field": .text, "base64": .place, "json": .place])
        ),
        "key": key, "keys": .map(key), "lookup": .place,
        "handshake": .list(handshake), "verify": verification(depth: 2), "reject_status": .integer, "ack": answer,
        "each": .place, "each_map": .place, "event": .place, "id": .place,
        "route": .either(route, .list(route)),
        "deliver": .oneOf(["push", "ping"]), "fetch_url": .place, "fetch_id": .place,
        "window": .record(["from": .place, "to": .place]),
        "triggers": .list(.record(["event": .text, "sync": .text])),
        "lifecycle": .record(["deauth": conditions(), "reauth": conditions()]),
        "subscription": subscription,
        "unverified": .text,
    ])

    private static let sources = Shape.oneOf([
        "client_id", "client_secret", "user_defined", "subscription",
    ])

    private static let key = Shape.either(
        sources,
        .record([
            "from": .either(sources, .list(sources)), "name": .text, "strip": .text, "suffix": .text,
            "encoding": .oneOf(["utf8", "base64", "hex"]),
        ])
    )

    private static func conditions(in source: String? = nil) -> Shape {
        .either(.condition(in: source), .list(.condition(in: source)))
    }

    private static let answer = Shape.record([
        "status": .integer, "type": .text, "headers": .map(.place), "body": .place, "json": .any, "empty": .flag,
        "empty_when": conditions(),
    ])

    private static let handshake = Shape.record([
        "when": .record([
            "method": .oneOf(["GET", "HEAD", "POST"]), "query": conditions(in: "query"),
            "header": conditions(in: "header"), "body": conditions(in: "body"),
        ]),
        "equals": .map(.place), "otherwise": .integer, "after_verify": .flag, "respond": answer, "store_secret": .place,
    ])

    private static let digest = Shape.oneOf(["sha1", "sha256", "sha512"])

    private static func verification(depth: Int) -> Shape {
        var keys: [String: Shape] = [
            "hmac": digest, "hash": digest, "ed25519": .flag, "ecdsa": .oneOf(["p256-sha256"]), "rsa": digest,
            "token": .place, "basic": .flag, "address": .flag, "key": .text, "prefix": .text,
            "msg": .list(.place),
            "sig": .record([
                "in": .oneOf(["header", "query", "body"]), "name": .text, "split": .text, "kv": .text, "prefix": .text,
                "optional_prefix": .flag, "enc": .oneOf(["hex", "base64"]), "case": .oneOf(["lower", "upper", "any"]),
            ]),
            "ts": .record(["in": .place, "unit": .oneOf(["s", "ms", "iso8601"]), "tolerance": .integer]),
            "body_hash": .record(["in": .place, "alg": digest]),
            "jwt": .record([
                "in": .place, "prefix": .text, "alg": .oneOf(["HS256", "RS256", "ES256"]), "key": .text, "jwks": .text,
                "iss": .list(.text), "aud": .place, "claims": .map(.place), "exp": .flag,
            ]),
        ]
        if depth > 0 {
            keys["any_of"] = .list(verification(depth: depth - 1))
            keys["all_of"] = .list(verification(depth: depth - 1))
        }
        return .record(keys)
    }

    private static let route = Shape.record(["value": .place, "match": .text])

    private static let request = Shape.record([
        "method": .oneOf(["GET", "POST", "PUT", "PATCH", "DELETE"]), "endpoint": .text, "headers": .map(.scalar),
        "params": .map(.scalar), "data": .any,
    ])

    private static let subscription = Shape.record([
        "create": request, "renew": request, "delete": request, "id": .place, "secret": .place, "expires": .place,
        "lifetime_days": .integer, "params": .list(.text),
    ])
}
