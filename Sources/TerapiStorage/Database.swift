/// One database, seen by the statements of this module; each engine is a room of its own.
///
/// The closures are synchronous and run on the database's own threads, never on the cooperative pool. They see a
/// transaction only while they run and must not keep it, nor a row.
public protocol Database: Sendable {
    /// Runs the closure in a transaction of its own and returns when what it wrote is on the disk.
    ///
    /// A closure that throws leaves nothing behind. It may share the disk's flush with others, never their fate.
    /// - Throws: what the closure throws, or `storage_unavailable` when the database cannot be written.
    @discardableResult
    func write<T: Sendable>(_ body: @escaping @Sendable (any Transaction) throws -> T) async throws -> T

    /// Runs the closure on one snapshot: all its statements see the same committed state.
    func read<T: Sendable>(_ body: @escaping @Sendable (any Snapshot) throws -> T) async throws -> T

    /// Waits for what is running, then closes; later calls throw `storage_unavailable`.
    func close() async
}

/// One committed state of the database, to read from.
public protocol Snapshot {
    /// Runs a statement and hands over its rows, each valid only inside `body`.
    func forEach(_ sql: SQL, _ values: [SQLValue], _ body: (any Row) throws -> Void) throws

    /// Runs one statement `count` times and hands over the rows with the number of the run, counted from 0.
    ///
    /// The way for many small look-ups: the statement is prepared once and its values are bound without boxes.
    func forEach(
        _ sql: SQL,
        count: Int,
        bind: (_ index: Int, _ parameters: any Parameters) throws -> Void,
        _ body: (_ index: Int, _ row: any Row) throws -> Void
    ) throws
}

/// A transaction that writes. It is the only one at a time, or locks what it touches.
public protocol Transaction: Snapshot {
    /// Runs a statement that returns no rows.
    /// - Returns: how many rows it changed.
    @discardableResult
    func run(_ sql: SQL, _ values: [SQLValue]) throws -> Int

    /// Runs one statement `count` times with the values that `bind` sets.
    /// - Returns: how many rows were changed in all.
    @discardableResult
    func run(
        _ sql: SQL,
        count: Int,
        bind: (_ index: Int, _ parameters: any Parameters) throws -> Void
    ) throws -> Int

    /// Runs one insert of one row `count` times, into a table whose key is `id`.
    /// - Returns: the rows' keys, in the order in which they were inserted.
    func insert(
        _ sql: SQL,
        count: Int,
        bind: (_ index: Int, _ parameters: any Parameters) throws -> Void
    ) throws -> [Int64]
}

/// A row of an answer. Columns count from 0.
public protocol Row: AnyObject {
    func isNull(_ column: Int) -> Bool
    func integer(_ column: Int) -> Int64
    func text(_ column: Int) -> String

    /// The bytes of a blob or a text where they lie, until the next row. Use ``withBytes(_:_:)``.
    func borrowedBytes(_ column: Int) -> UnsafeRawBufferPointer
}

/// The values of one run of a statement. Indexes count from 1, as in `$1`; what is not bound is null.
public protocol Parameters: AnyObject {
    func bind(_ value: Int64, at index: Int)
    func bind(_ value: String, at index: Int)

    /// Binds a blob; the bytes are copied.
    func bind(bytes: UnsafeRawBufferPointer, at index: Int)
}

extension Snapshot {
    public func query<T>(_ sql: SQL, _ values: [SQLValue] = [], row: (any Row) throws -> T) throws -> [T] {
        var answer: [T] = []
        try forEach(sql, values) { answer.append(try row($0)) }
        return answer
    }

    /// The first row's value, or `nil` when there is no row. The statement should not return more than one.
    public func first<T>(_ sql: SQL, _ values: [SQLValue] = [], row: (any Row) throws -> T) throws -> T? {
        var answer: T?
        try forEach(sql, values) { if answer == nil { answer = try row($0) } }
        return answer
    }

    /// Whether the statement returns a row.
    public func exists(_ sql: SQL, _ values: [SQLValue] = []) throws -> Bool {
        try first(sql, values) { _ in true } ?? false
    }
}

extension Transaction {
    @discardableResult
    public func run(_ sql: SQL) throws -> Int {
        try run(sql, [])
    }
}

extension Row {
    /// The bytes of a blob or a text, not copied; valid only inside the closure.
    public func withBytes<R>(_ column: Int, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(borrowedBytes(column))
    }

    public func bool(_ column: Int) -> Bool { integer(column) != 0 }
    public func bytes(_ column: Int) -> [UInt8] { withBytes(column) { [UInt8]($0) } }
    public func integerIfPresent(_ column: Int) -> Int64? { isNull(column) ? nil : integer(column) }
    public func textIfPresent(_ column: Int) -> String? { isNull(column) ? nil : text(column) }
    public func bytesIfPresent(_ column: Int) -> [UInt8]? { isNull(column) ? nil : bytes(column) }
}

extension Parameters {
    public func bind(_ bytes: [UInt8], at index: Int) {
        bytes.withUnsafeBytes { bind(bytes: $0, at: index) }
    }

    public func bind(_ bytes: ArraySlice<UInt8>, at index: Int) {
        bytes.withUnsafeBytes { bind(bytes: $0, at: index) }
    }

    public func bind(_ value: SQLValue, at index: Int) {
        switch value {
        case .null: break
        case .integer(let integer): bind(integer, at: index)
        case .text(let text): bind(text, at: index)
        case .blob(let bytes): bind(bytes, at: index)
        }
    }
}

/// A constraint of the schema said no. Callers turn it into what it means for them, such as `conflict`.
public struct ConstraintViolation: Error, Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        case unique
        case foreignKey
        case other
    }

    public var kind: Kind
    public var message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}
