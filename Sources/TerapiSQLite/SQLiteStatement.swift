import CSQLite
import TerapiStorage

/// A prepared statement that its connection keeps. It is the row and the parameters at once, so that neither costs an
/// allocation.
final class SQLiteStatement: Row, Parameters {
    private let statement: OpaquePointer
    private(set) var isInUse = false

    /// Where the values of one run lie: SQLite's own copies would cost an allocation each.
    private var values = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var valuesEnd = 0
    private static let valuesSize = 8 << 10

    /// Whether the statement changes nothing in the file.
    let isReadOnly: Bool

    init(_ sql: SQL, on connection: OpaquePointer) throws {
        var statement: OpaquePointer?
        let result = sqlite3_prepare_v3(
            connection,
            Self.numbered(sql.text),
            -1,
            UInt32(SQLITE_PREPARE_PERSISTENT),
            &statement,
            nil
        )
        guard result == SQLITE_OK, let statement else { throw sqliteError(on: connection, doing: sql.text) }
        self.statement = statement
        isReadOnly = sqlite3_stmt_readonly(statement) != 0
    }

    deinit {
        sqlite3_finalize(statement)
        values.deallocate()
    }

    func begin() {
        isInUse = true
    }

    /// Lets go of locks and values, and makes the statement ready for its next use.
    func end() {
        rewind()
        isInUse = false
    }

    /// Makes the statement ready for its next run with other values.
    func rewind() {
        sqlite3_reset(statement)
        sqlite3_clear_bindings(statement)
        valuesEnd = 0
    }

    /// Moves to the next row.
    /// - Returns: `SQLITE_ROW`, `SQLITE_DONE` or an error's code.
    func step() -> Int32 {
        sqlite3_step(statement)
    }

    // MARK: Parameters

    func bind(_ value: Int64, at index: Int) {
        check(sqlite3_bind_int64(statement, Int32(index), value))
    }

    func bind(_ value: String, at index: Int) {
        var value = value
        value.withUTF8 { text in
            let (start, isKept) = kept(UnsafeRawBufferPointer(text))
            check(csqlite_bind_text(statement, Int32(index), start, Int32(text.count), isKept))
        }
    }

    func bind(bytes: UnsafeRawBufferPointer, at index: Int) {
        let (start, isKept) = kept(bytes)
        check(csqlite_bind_blob(statement, Int32(index), start, Int32(bytes.count), isKept))
    }

    /// The bytes, and whether they will stay where they are until the statement is rewound.
    private func kept(_ bytes: UnsafeRawBufferPointer) -> (start: UnsafeRawPointer, isKept: Bool) {
        if values.count == 0 { values = .allocate(byteCount: Self.valuesSize, alignment: 8) }
        guard let buffer = values.baseAddress else { preconditionFailure("An allocated buffer has an address") }
        // Nothing has no address, and SQLite reads a value without an address as null.
        guard let start = bytes.baseAddress else { return (UnsafeRawPointer(buffer), true) }
        guard bytes.count <= values.count - valuesEnd else { return (start, false) }
        let place = buffer + valuesEnd
        place.copyMemory(from: start, byteCount: bytes.count)
        valuesEnd += bytes.count
        return (UnsafeRawPointer(place), true)
    }

    private func check(_ result: Int32) {
        // Out of memory shows again at the step; an index out of range is a mistake in the statement.
        precondition(result != SQLITE_RANGE && result != SQLITE_MISUSE, "A value has no placeholder")
    }

    // MARK: Row

    func isNull(_ column: Int) -> Bool {
        sqlite3_column_type(statement, Int32(column)) == SQLITE_NULL
    }

    func integer(_ column: Int) -> Int64 {
        sqlite3_column_int64(statement, Int32(column))
    }

    func text(_ column: Int) -> String {
        String(decoding: borrowedBytes(column), as: UTF8.self)
    }

    func borrowedBytes(_ column: Int) -> UnsafeRawBufferPointer {
        let start = sqlite3_column_blob(statement, Int32(column))
        return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, Int32(column))))
    }

    // MARK: Placeholders

    /// The statement with `?1` for `$1`: to SQLite `$1` is a name, numbered by its first appearance, and
    /// `select $2, $1` would swap the values without a word.
    static func numbered(_ sql: String) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(sql.utf8.count)
        var quote: UInt8?
        for byte in sql.utf8 {
            if let open = quote {
                if byte == open { quote = nil }
            } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                quote = byte
            }
            bytes.append(byte == UInt8(ascii: "$") && quote == nil ? UInt8(ascii: "?") : byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
