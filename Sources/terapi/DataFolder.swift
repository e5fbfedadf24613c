import TerapiCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The folder of everything that an installation keeps.
struct DataFolder: Sendable {
    let path: String

    var databasePath: String { "\(path)/terapi.db" }
    var logDatabasePath: String { "\(path)/logs.db" }
    var refreshSpoolPath: String { "\(path)/refresh-spool" }
    var socketPath: String { "\(path)/terapi.sock" }
    var keyFilePath: String { "\(path)/encryption-key" }
    var scriptMapsPath: String { "\(path)/script-maps" }
    var apiKeysPath: String { "\(path)/api-keys.txt" }

    /// Makes the folder, for its owner only, when it does not exist.
    init(path: String) throws {
        self.path = path
        // Whatever is made from now on, the socket too, is for its owner only.
        umask(0o077)
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Self.failure("make the data folder", path) }
    }

    /// Where commands of this machine reach the server. A socket that a killed server left behind is removed: whoever
    /// holds the lock owns the folder.
    func freshSocketPath() throws -> String {
        guard unlink(socketPath) == 0 || errno == ENOENT else { throw Self.failure("replace", socketPath) }
        guard socketPath.utf8.count < 104 else {
            throw TerapiError(
                .invalidConfiguration,
                "The data folder's path is too long for a socket in it: \(path). Choose one of at most 90 bytes."
            )
        }
        return socketPath
    }

    /// The key of the settings, or else of the key file, which is made at the first start.
    func encryptionKey(configured: Secret?) throws -> EncryptionKey {
        if let configured { return try Self.key(configured.reveal(), source: "--encryption-key") }
        if let text = try read(keyFilePath) { return try Self.key(text.trimmed, source: keyFilePath) }
        guard access(databasePath, F_OK) != 0 else {
            throw TerapiError(
                .invalidConfiguration,
                "The data folder \(path) has a database, but its key file \(keyFilePath) is gone. Put it back or give "
                    + "the key by TERAPI_ENCRYPTION_KEY: without it nothing can be decrypted."
            )
        }
        let (key, bytes) = EncryptionKey.random()
        try write(Base64.standard.encode(bytes) + "\n", to: keyFilePath)
        return key
    }

    /// Writes a file that only its owner can read, and returns when it is on disk.
    func write(_ text: String, to file: String) throws {
        let descriptor = open(file, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure("write", file) }
        defer { close(descriptor) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Self.writeBytes(descriptor, $0) }
            guard count > 0 else { throw Self.failure("write", file) }
            bytes = bytes.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw Self.failure("write", file) }
    }

    private func read(_ file: String) throws -> String? {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw Self.failure("read", file)
        }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Self.readBytes(descriptor, &buffer)
        guard count >= 0 else { throw Self.failure("read", file) }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    // The methods `read` and `write` above hide the functions of the same names.
    private static func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
        Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #else
        Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }

    private static func readBytes(_ descriptor: Int32, _ buffer: inout [UInt8]) -> Int {
        #if canImport(Glibc)
        Glibc.read(descriptor, &buffer, buffer.count)
        #else
        Darwin.read(descriptor, &buffer, buffer.count)
        #endif
    }

    private static func key(_ text: String, source: String) throws -> EncryptionKey {
        guard let bytes = Base64.standard.decode(text), let key = EncryptionKey(bytes: bytes) else {
            throw TerapiError(.invalidConfiguration, "The key from \(source) is not 32 bytes in base64.")
        }
        return key
    }

    private static func failure(_ action: String, _ path: String) -> TerapiError {
        TerapiError(.storageUnavailable, "Could not \(action) \(path): \(String(cString: strerror(errno))).")
    }
}
