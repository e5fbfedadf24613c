#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Whole files, read and written at once.
enum FileContents {
    /// - Returns: `nil` when there is no such file or it cannot be read.
    static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { return nil }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: max(Int(facts.st_size) + 1, 4096))
        while true {
            let count = readBytes(descriptor, &buffer)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }

    /// Writes beside the file and puts it in its place, so that a reader never sees a half.
    /// - Returns: whether it is there now.
    static func write(_ bytes: some Collection<UInt8>, to path: String) -> Bool {
        guard makeFolder(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])) else { return false }
        let draft = "\(path).\(getpid()).\(UInt32.random(in: .min ... .max))"
        let descriptor = open(draft, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return false }
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { writeBytes(descriptor, $0) }
            guard count > 0 else { break }
            rest = rest.dropFirst(count)
        }
        close(descriptor)
        guard rest.isEmpty, rename(draft, path) == 0 else {
            unlink(draft)
            return false
        }
        return true
    }

    static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    static func isExecutable(_ path: String) -> Bool {
        var facts = stat()
        return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }

    /// The path without symbolic links; as it is when there is nothing.
    static func realPath(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Makes the folder with those above it.
    static func makeFolder(_ path: String) -> Bool {
        if path.isEmpty || mkdir(path, 0o755) == 0 || errno == EEXIST { return true }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return false }
        return makeFolder(String(path[..<slash])) && (mkdir(path, 0o755) == 0 || errno == EEXIST)
    }

    // The methods `read` and `write` hide the functions of the same names.
    private static func readBytes(_ descriptor: Int32, _ buffer: inout [UInt8]) -> Int {
        #if canImport(Glibc)
        Glibc.read(descriptor, &buffer, buffer.count)
        #else
        Darwin.read(descriptor, &buffer, buffer.count)
        #endif
    }

    private static func writeBytes(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
        Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #else
        Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }
}

extension FileContents {
    /// Tells of every file below a folder; hidden ones and `node_modules` are left out.
    /// - Parameter body: gets the path, the size in bytes, and the time of the last change in nanoseconds.
    static func walk(_ folder: String, _ body: (String, Int, Int) -> Void) {
        for name in names(in: folder) where !name.hasPrefix(".") && name != "node_modules" {
            let path = "\(folder)/\(name)"
            var facts = stat()
            // Links to folders are not followed: they may lead in a circle.
            guard lstat(path, &facts) == 0 else { continue }
            if facts.st_mode & S_IFMT == S_IFDIR {
                walk(path, body)
            } else {
                #if canImport(Glibc)
                let changed = facts.st_mtim
                #else
                let changed = facts.st_mtimespec
                #endif
                body(path, Int(facts.st_size), changed.tv_sec * 1_000_000_000 + changed.tv_nsec)
            }
        }
    }

    /// Removes a folder of our own with everything in it, as far as possible.
    static func removeFolder(_ folder: String) {
        for name in names(in: folder) {
            let path = "\(folder)/\(name)"
            var facts = stat()
            if lstat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR {
                removeFolder(path)
            } else {
                unlink(path)
            }
        }
        rmdir(folder)
    }

    private static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
