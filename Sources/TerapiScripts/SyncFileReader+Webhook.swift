import TerapiCore
import Yams

/// What a sync does with the webhooks of its provider.
extension SyncFileReader {
    private static let webhookKeys = [
        "events", "apply", "fetch", "window", "id", "deleted", "safety_frequency",
    ]

    mutating func readWebhook(_ node: Node) {
        var webhook: JSONObject = [:]
        let members = yaml.members(node, of: "webhook", allowed: Self.webhookKeys)
        for (key, value) in members {
            let name = key.string ?? ""
            switch name {
            case "events": events = yaml.texts(value, of: "webhook.events") ?? []
            case "safety_frequency": readSafety(value)
            case "fetch", "window": webhook[name] = eventRequest(value, isWhole: name == "fetch")
            default: webhook[name] = expression(value, of: "webhook.\(name)").map(JSONValue.string)
            }
        }
        if events.isEmpty { events = ["*"] }
        let ways = ["apply", "fetch", "window"].filter { name in members.contains { $0.key.string == name } }
        if node.mapping != nil, ways.count != 1 {
            yaml.add("expected one of apply, fetch and window in webhook, found \(ways.count)", at: node)
        }
        if webhook["deleted"] != nil, webhook["apply"] == nil, webhook["id"] == nil {
            yaml.add("expected the key \"id\" in webhook: it says which record was deleted", at: node)
        }
        spec["webhook"] = .object(webhook)
    }

    private mutating func readSafety(_ node: Node) {
        guard let text = yaml.text(node, of: "webhook.safety_frequency") else { return }
        do {
            safetyFrequency = try Frequency(text)
        } catch {
            yaml.add("expected a frequency, found: \((error as? TerapiError)?.message ?? text)", at: node)
        }
    }

    /// A request in which `${event.…}` stands for a value of the event; a part of one is put over the sync's own.
    private mutating func eventRequest(_ node: Node, isWhole: Bool) -> JSONValue? {
        let own = spec["request"]
        readsEvent = true
        readRequest(node, needsEndpoint: isWhole)
        readsEvent = false
        defer { spec["request"] = own }
        guard !isWhole else { return spec["request"] }
        let given = Set(node.mapping?.keys.compactMap(\.string) ?? [])
        return (spec["request"]?.object?.members.filter { given.contains($0.name) }).map {
            .object(JSONObject($0.map { ($0.name, $0.value) }))
        }
    }
}
