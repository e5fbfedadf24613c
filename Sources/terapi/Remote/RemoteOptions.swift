import ArgumentParser
import TerapiCore

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Which server, and as whom.
struct RemoteOptions: ParsableArguments {
    @Option(help: "Where the server is. Otherwise TERAPI_HOST, or http://localhost:3003.")
    var host: String?

    @Option(help: "The API key of the environment. Otherwise TERAPI_API_KEY, which no list of processes shows.")
    var apiKey: String?

    /// Asks the server, and lets go of it.
    /// - Throws: `ExitWithMessage` with what the server says is wrong, or what is missing to ask it.
    func ask<Answer>(_ question: (RemoteClient) async throws -> Answer) async throws -> Answer {
        do {
            let client = try client()
            do {
                let answer = try await question(client)
                await client.close()
                return answer
            } catch {
                await client.close()
                throw error
            }
        } catch let error as TerapiError {
            throw ExitWithMessage(error)
        }
    }

    /// - Throws: `TerapiError(.invalidConfiguration)` that says what is missing.
    private func client() throws -> RemoteClient {
        let environment = ProcessInfo.processInfo.environment
        guard let key = apiKey ?? environment["TERAPI_API_KEY"], !key.isEmpty else {
            throw TerapiError(
                .invalidConfiguration,
                "No API key. Give the one of the environment in TERAPI_API_KEY or by --api-key; the server printed it "
                    + "at its first start, and terapi keys create makes another."
            )
        }
        return try RemoteClient(host: host ?? environment["TERAPI_HOST"] ?? "http://localhost:3003", key: Secret(key))
    }
}

/// Which connection.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "The integration.")
    var integration: String

    @Option(name: [.long, .customLong("connection-id")], help: "The connection's id.")
    var connection: String

    /// As requests name it.
    var headers: [(name: String, value: String)] {
        [("Provider-Config-Key", integration), ("Connection-Id", connection)]
    }
}
