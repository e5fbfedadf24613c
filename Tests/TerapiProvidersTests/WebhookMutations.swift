import TerapiCore

/// Random numbers that are the same in every run.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Changes a genuine webhook in one place that the signature covers, or the signature itself.
struct WebhookMutations {
    /// - Returns: the changed request and what was done; it always differs from the genuine one.
    mutating func mutate(_ vector: WebhookVector, _ random: inout SeededNumbers) -> (ProviderWebhookRequest, String) {
        while true {
            var request = vector.request
            let places = vector.signed + (vector.signatureHeader.map { ["header:\($0)"] } ?? [])
            guard let place = places.randomElement(using: &random) else { return (request, "nothing") }
            switch place {
            case "body":
                // Where the digest of a form is built from its fields, their order in it does not count.
                request.body = change(request.body, &random)
            case "url": request.url = text(request.url, &random)
            case "method": request.method = ["PUT", "GET", "post", "PATCH"].randomElement(using: &random) ?? "PUT"
            default:
                let name = String(place.dropFirst(7))
                for index in request.headers.indices where request.headers[index].name == name {
                    request.headers[index].value = text(request.headers[index].value, &random)
                }
            }
            if request != vector.request, !means(request, vector) { return (request, "\(place) changed: \(request)") }
        }
    }

    /// Whether a change is none by the provider's own rules: letters of a hexadecimal number that may be of any case, a
    /// field of a form written in another way, a signature that is one of a list.
    private func means(_ request: ProviderWebhookRequest, _ vector: WebhookVector) -> Bool {
        if let name = vector.signatureHeader, request.body == vector.request.body, request.url == vector.request.url,
            let given = request.header(name), let genuine = vector.request.header(name),
            given.lowercased() == genuine.lowercased(), vector.provider == "oura"
        {
            return true
        }
        guard vector.provider == "twilio" else { return false }
        func fields(_ body: [UInt8]) -> [String] {
            String(decoding: body, as: UTF8.self).split(separator: "&").compactMap {
                PercentEncoding.decode($0, plusIsSpace: true)
            }
            .map { $0.replacing("=", with: "") }.sorted()
        }
        return fields(request.body) == fields(vector.request.body) && request.url == vector.request.url
            && request.headers == vector.request.headers
    }

    private func text(_ text: String, _ random: inout SeededNumbers) -> String {
        let changed = change(Array(text.utf8), &random).map { $0 < 0x21 || $0 > 0x7E ? 0x7E : $0 }
        return String(decoding: changed, as: UTF8.self)
    }

    private func change(_ bytes: [UInt8], _ random: inout SeededNumbers) -> [UInt8] {
        var bytes = bytes
        guard !bytes.isEmpty else { return [UInt8(ascii: "x")] }
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<7, using: &random) {
        case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<7, using: &random)
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(UInt8.random(in: 0x21...0x7E, using: &random), at: place)
        case 3: bytes.removeLast(bytes.count - place)
        case 4: bytes += bytes[place...]
        case 5: bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &random))
        default: bytes[place] = UInt8.random(in: 0x21...0x7E, using: &random)
        }
        return bytes
    }
}
