import HTTPTypes
import TerapiCore

/// Finds routes by path and method.
struct RouteTable: Sendable {
    enum Match: Sendable {
        case route(Route, parameters: [String: String])
        /// The path exists for other methods.
        case otherMethods([HTTPRequest.Method])
        case none
    }

    private struct Pattern: Sendable {
        /// `nil` takes any value.
        var segments: [String?]
        var names: [String]
        var routes: [Route]

        /// Fixed segments come first, so that `/connect/sessions` is never taken for `/connect/:token`.
        var rank: [Int] { segments.map { $0 == nil ? 1 : 0 } }
    }

    /// Paths without parameters, by their text: the ones that are asked for most.
    private var fixed: [String: [Route]] = [:]
    private var patterns: [Int: [Pattern]] = [:]
    /// What is taken where nothing else is, by the beginning of the path with its slash.
    private var open: [(prefix: String, routes: [Route])] = []

    init(_ routes: [Route]) {
        for route in routes {
            if route.path.hasSuffix("/*") {
                let prefix = String(route.path.dropLast())
                if let index = open.firstIndex(where: { $0.prefix == prefix }) {
                    open[index].routes.append(route)
                } else {
                    open.append((prefix, [route]))
                }
                continue
            }
            let segments = route.path.split(separator: "/").map(String.init)
            guard segments.contains(where: { $0.hasPrefix(":") }) else {
                fixed[route.path, default: []].append(route)
                continue
            }
            let shape = segments.map { $0.hasPrefix(":") ? nil : $0 }
            let names = segments.filter { $0.hasPrefix(":") }.map { String($0.dropFirst()) }
            var candidates = patterns[segments.count] ?? []
            if let index = candidates.firstIndex(where: { $0.segments == shape }) {
                precondition(candidates[index].names == names, "\(route.path): one path, two names for a parameter")
                candidates[index].routes.append(route)
            } else {
                candidates.append(Pattern(segments: shape, names: names, routes: [route]))
            }
            patterns[segments.count] = candidates.sorted { $0.rank.lexicographicallyPrecedes($1.rank) }
        }
    }

    func match(_ method: HTTPRequest.Method, _ path: String) -> Match {
        if let routes = fixed[path] { return match(method, routes, parameters: [:]) }
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        // A slash at the end is forgiven.
        let given = segments.last == "" ? segments.dropLast() : segments[...]
        if given.count < segments.count, let routes = fixed["/" + given.joined(separator: "/")] {
            return match(method, routes, parameters: [:])
        }
        for pattern in patterns[given.count] ?? [] {
            guard zip(pattern.segments, given).allSatisfy({ fixed, text in fixed.map { $0 == text } ?? true }) else {
                continue
            }
            let values = zip(pattern.segments, given).filter { $0.0 == nil }.map { PercentEncoding.decode($0.1) }
            var parameters: [String: String] = [:]
            for (name, value) in zip(pattern.names, values) {
                guard let value, !value.isEmpty else { return .none }
                parameters[name] = value
            }
            return match(method, pattern.routes, parameters: parameters)
        }
        guard let taking = open.first(where: { path.hasPrefix($0.prefix) }) else { return .none }
        return match(method, taking.routes, parameters: ["*": String(path.dropFirst(taking.prefix.count))])
    }

    private func match(_ method: HTTPRequest.Method, _ routes: [Route], parameters: [String: String]) -> Match {
        let wanted = method == .head ? .get : method
        if let route = routes.first(where: { $0.method == wanted || $0.method == .any }) {
            return .route(route, parameters: parameters)
        }
        return .otherMethods(routes.map(\.method))
    }
}
