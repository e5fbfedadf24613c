import CJavaScriptCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a host process gives up before it runs its first script. A script that broke out of the engine would find a
/// process without files, network, rights or other processes.
///
/// Each wall stands alone: where the kernel refuses one, the others hold.
package enum Cage {
    /// The user `nobody`, who by custom owns nothing.
    private static let nobody: UInt32 = 65534

    /// First of all, while the process has one thread. Reading files still works: the engine needs some to start.
    /// - Returns: what the kernel refused, in words for the operator's log.
    package static func enter() -> [String] {
        var refused: [String] = []
        func note(_ error: Int32, _ wall: String) {
            if error != 0 { refused.append("\(wall) (\(String(cString: strerror(error))))") }
        }
        setLimit(of: .core)
        setLimit(of: .fileSize)
        #if canImport(Glibc)
        // Root may leave the network as it is; others need a user namespace, which root would not be dropped from.
        var network = terapi_leave_network(0)
        if geteuid() == 0 { note(terapi_drop_user(nobody), "another user") }
        if network != 0, geteuid() != 0 { network = terapi_leave_network(1) }
        note(network, "an empty network")
        #endif
        note(terapi_give_up_privileges(), "no new privileges")
        #if canImport(Glibc)
        note(terapi_refuse_file_changes(), "no changes of files")
        #endif
        return refused
    }

    /// When the engine has started and everything is open that the process needs.
    /// - Returns: what the kernel refused.
    package static func close() -> [String] {
        #if canImport(Glibc)
        let error = terapi_refuse_system_calls()
        return error == 0 ? [] : ["a filter of system calls (\(String(cString: strerror(error))))"]
        #else
        return ["a filter of system calls (only Linux has it)"]
        #endif
    }

    private enum Limit {
        case core, fileSize
    }

    private static func setLimit(of limit: Limit) {
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        #if canImport(Glibc)
        _ = setrlimit(__rlimit_resource_t((limit == .core ? RLIMIT_CORE : RLIMIT_FSIZE).rawValue), &none)
        #else
        _ = setrlimit(limit == .core ? RLIMIT_CORE : RLIMIT_FSIZE, &none)
        #endif
    }
}
