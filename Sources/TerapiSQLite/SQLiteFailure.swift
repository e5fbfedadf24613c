import CSQLite
import TerapiCore
import TerapiStorage

/// What SQLite said, for the operator's log.
struct SQLiteFailure: Error, CustomStringConvertible {
    var code: Int32
    var message: String
    var statement: String

    var description: String { "SQLite error \(code): \(message), while running: \(statement)" }
}

/// The error of the last call on the connection, in the words of the layers above.
func sqliteError(on connection: OpaquePointer?, doing statement: String) -> any Error {
    let code = sqlite3_extended_errcode(connection)
    let message = String(cString: sqlite3_errmsg(connection))
    let failure = SQLiteFailure(code: code, message: message, statement: statement)
    switch code & 0xFF {
    case SQLITE_CONSTRAINT:
        switch code {
        case uniqueConstraint, primaryKeyConstraint, rowIDConstraint:
            return ConstraintViolation(.unique, message)
        case foreignKeyConstraint:
            return ConstraintViolation(.foreignKey, message)
        default:
            return ConstraintViolation(.other, message)
        }
    case SQLITE_ERROR, SQLITE_MISUSE, SQLITE_RANGE, SQLITE_MISMATCH, SQLITE_SCHEMA, SQLITE_TOOBIG:
        return TerapiError(.serverError, "The database refused a statement.", cause: failure)
    default:
        // Full disk, I/O error, read-only file system, busy, damaged file, no memory: none of them is the caller's.
        return TerapiError(.storageUnavailable, "The database cannot be used now. Try again later.", cause: failure)
    }
}

// Composed codes are macros that Swift does not see.
private let foreignKeyConstraint = SQLITE_CONSTRAINT | (3 << 8)
private let primaryKeyConstraint = SQLITE_CONSTRAINT | (6 << 8)
private let uniqueConstraint = SQLITE_CONSTRAINT | (8 << 8)
private let rowIDConstraint = SQLITE_CONSTRAINT | (10 << 8)
