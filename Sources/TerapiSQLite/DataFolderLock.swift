import TerapiCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Holds a data folder for this process alone, until it is released or the process ends in whatever way.
public final class DataFolderLock: Sendable {
    private let descriptor: Int32

    /// - Parameter folder: an existing folder.
    /// - Throws: `data_folder_in_use` when another process, or another lock of this one, holds it.
    public init(folder: String) throws {
        let path = "\(folder)/lock"
        // Children must not inherit the descriptor: the lock would outlive this process with them.
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw TerapiError(
                .storageUnavailable,
                "The data folder \(folder) cannot be written: \(String(cString: strerror(errno)))."
            )
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let owner = Self.owner(in: descriptor).map { " (process \($0))" } ?? ""
            close(descriptor)
            throw TerapiError(
                .dataFolderInUse,
                "The data folder \(folder) is in use by another Terapi\(owner). "
                    + "Stop that one, or choose another folder."
            )
        }
        // Only for the message above; the lock itself is what counts.
        let text = Array("\(getpid())\n".utf8)
        _ = ftruncate(descriptor, 0)
        _ = pwrite(descriptor, text, text.count, 0)
        self.descriptor = descriptor
    }

    deinit {
        // Not by closing alone: a child that is just being started has a copy of the descriptor until its program runs.
        _ = flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    private static func owner(in descriptor: Int32) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int(String(decoding: bytes[..<count], as: UTF8.self).filter(\.isNumber))
    }
}
