import Dispatch
import Synchronization
public import TerapiCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Keeps providers' answers to refreshes on disk from the moment they arrive until they are committed.
///
/// With a strict provider the answer holds the only refresh token that still works: it is made durable before it is even
/// parsed, and settled at the next start when the process dies in between.
public final class RefreshSpool: Sendable {
    struct Entry: Sendable {
        var connectionRow: Int64
        var generation: Int64
        var attempt: String
        var answer: RefreshAnswer
    }

    private let folder: String
    private let box: SecretBox
    private let queue = DispatchQueue(label: "terapi.refresh-spool")

    /// - Parameter folder: is made when it does not exist.
    /// - Throws: `TerapiError(.storageUnavailable)`.
    public init(folder: String, box: SecretBox) throws {
        self.folder = folder
        self.box = box
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw Self.failure("create", folder) }
    }

    /// Returns when the answer would survive a power cut.
    ///
    /// It is written under another name first: a file with an attempt's name is always whole.
    func keep(_ entry: Entry) async throws {
        let sealed = try box.seal(Self.encode(entry), for: Self.place(entry.attempt))
        try await onQueue { [folder] in
            let draft = Self.draft(of: entry.attempt, in: folder)
            let path = "\(folder)/\(entry.attempt)"
            do {
                try Self.store(sealed, at: draft)
                guard rename(draft, path) == 0 else { throw Self.failure("create", path) }
            } catch {
                unlink(draft)
                throw error
            }
            try Self.syncFolder(folder)
        }
    }

    func remove(attempt: String) async {
        await withCheckedContinuation { continuation in
            queue.async { [folder] in
                unlink("\(folder)/\(attempt)")
                unlink(Self.draft(of: attempt, in: folder))
                continuation.resume()
            }
        }
    }

    /// What an earlier process left behind, and the names of the files that cannot be read.
    ///
    /// A draft counts when it is whole: the process died while it waited for the disk. A half one is removed.
    func entries() async throws -> (entries: [Entry], unreadable: [String]) {
        let files = try await onQueue { [folder] in try Self.files(in: folder) }
        var entries: [Entry] = []
        var unreadable: [String] = []
        for (name, sealed) in files {
            let attempt = name.hasPrefix(".") ? String(name.dropFirst()) : name
            do {
                entries.append(try Self.decode(try box.open(sealed, for: Self.place(attempt)), attempt: attempt))
            } catch {
                if name == attempt { unreadable.append(name) } else { await remove(attempt: attempt) }
            }
        }
        return (entries, unreadable)
    }

    private static func draft(of attempt: String, in folder: String) -> String {
        "\(folder)/.\(attempt)"
    }

    private func onQueue<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result(catching: body)) }
        }
    }

    private static func place(_ attempt: String) -> SecretBox.Place {
        SecretBox.Place(table: "refresh_spool", column: "answer", environmentID: 0, row: attempt)
    }

    private static func encode(_ entry: Entry) -> [UInt8] {
        JSONValue.object([
            "connection": JSONValue(entry.connectionRow),
            "generation": JSONValue(entry.generation),
            "status": JSONValue(entry.answer.status),
            "content_type": .string(entry.answer.contentType),
            "retry_after": JSONValue(entry.answer.retryAfter),
            "body": .string(Base64.standard.encode(entry.answer.body)),
            "headers": JSONValue(entry.answer.headers),
        ])
        .encoded()
    }

    private static func decode(_ bytes: [UInt8], attempt: String) throws -> Entry {
        guard let json = try? JSONReader.read(bytes), let row = json["connection"]?.int,
            let generation = json["generation"]?.int, let status = json["status"]?.int,
            let body = json["body"]?.string.flatMap(Base64.standard.decode)
        else { throw TerapiError(.serverError, "The file \(attempt) in the refresh spool cannot be read.") }
        return Entry(
            connectionRow: Int64(row),
            generation: Int64(generation),
            attempt: attempt,
            answer: RefreshAnswer(
                status: status,
                contentType: json["content_type"]?.string ?? "",
                retryAfter: json["retry_after"]?.string,
                body: body,
                headers: Dictionary(
                    (json["headers"]?.object?.members ?? []).compactMap { name, value in
                        value.string.map { (name, $0) }
                    },
                    uniquingKeysWith: { $1 }
                )
            )
        )
    }

    private static func store(_ bytes: [UInt8], at path: String) throws {
        let file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure("create", path) }
        defer { close(file) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                write(file, bytes.baseAddress?.advanced(by: written), bytes.count - written)
            }
            guard count > 0 || (count < 0 && errno == EINTR) else { throw failure("write", path) }
            written += max(0, count)
        }
        guard fsync(file) == 0 else { throw failure("sync", path) }
    }

    private static func files(in folder: String) throws -> [(name: String, sealed: [UInt8])] {
        guard let directory = opendir(folder) else { throw failure("read", folder) }
        defer { closedir(directory) }
        var files: [(String, [UInt8])] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name != ".", name != ".." else { continue }
            files.append((name, try contents("\(folder)/\(name)")))
        }
        return files
    }

    private static func contents(_ path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure("read", path) }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(file, &buffer, buffer.count)
            guard count >= 0 else { throw failure("read", path) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer[..<count])
        }
    }

    private static func syncFolder(_ folder: String) throws {
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure("open", folder) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw failure("sync", folder) }
    }

    private static func failure(_ verb: String, _ path: String) -> TerapiError {
        TerapiError(.storageUnavailable, "Could not \(verb) \(path): \(String(cString: strerror(errno))).")
    }
}
