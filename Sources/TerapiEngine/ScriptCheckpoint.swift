import Synchronization
import TerapiCore

/// The checkpoint of a script that is no sync's run, as one run of it sees it.
final class ScriptCheckpoint: Sendable {
    private let place: ScriptPlace
    private let storage: any ActionStorage
    private let isStored: Bool
    private let known = Mutex<(value: JSONValue?, version: Int64)?>(nil)

    /// - Parameter isStored: whether the connection is stored; until then what is saved stays in memory.
    init(of place: ScriptPlace, storage: any ActionStorage, isStored: Bool) {
        self.place = place
        self.storage = storage
        self.isStored = isStored
    }

    /// Answers the calls that are about checkpoints.
    /// - Returns: `nil` for every other call.
    func call(_ name: String, _ arguments: [JSONValue]) async throws -> JSONValue? {
        switch name {
        case "getCheckpoint": return try await current().value ?? .null
        case "saveCheckpoint": try await set(ConnectionFunctions.checked(checkpoint: arguments.first ?? .null))
        case "clearCheckpoint": try await set(nil)
        default: return nil
        }
        return .null
    }

    private func current() async throws -> (value: JSONValue?, version: Int64) {
        if let known = known.withLock({ $0 }) { return known }
        let stored = isStored ? try await storage.scriptCheckpoint(place) : (value: JSONValue?.none, version: 0)
        known.withLock { $0 = stored }
        return stored
    }

    private func set(_ value: JSONValue?) async throws {
        let version = try await current().version
        guard isStored else { return known.withLock { $0 = (value, version) } }
        guard let next = try await storage.setScriptCheckpoint(value, of: place, over: version) else {
            throw TerapiError(.scriptError, "Another run of this script has changed the checkpoint meanwhile.")
        }
        known.withLock { $0 = (value, next) }
    }
}
