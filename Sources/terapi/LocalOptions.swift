import ArgumentParser
import TerapiCore

/// Which environment of the server that runs on a data folder; who can read the folder needs no API key.
struct LocalOptions: ParsableArguments {
    @Option(help: "The server's data folder.")
    var data = "./terapi-data"

    @Option(help: "The environment's name.")
    var environment = "dev"

    func send(
        _ method: String,
        _ path: String,
        query: [(name: String, value: String)] = [],
        body: JSONValue? = nil
    ) throws -> JSONValue {
        let client = LocalClient(socketPath: try DataFolder(path: data).socketPath)
        let items = PercentEncoding.query([("environment", environment)] + query)
        return try client.send(method, "\(path)?\(items)", body: body)
    }
}
