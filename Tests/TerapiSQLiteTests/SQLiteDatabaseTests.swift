import CSQLite
import Foundation
import Synchronization
import TerapiCore
import TerapiSQLite
import TerapiStorage
import TestSupport
import Testing

struct SQLiteDatabaseTests {
    private struct Refusal: Error, Equatable {}

    @Test
    func `keeps what was written after the file is opened again`() async throws {
        let folder = try TemporaryFolder()
        let first = try SQLiteDatabase(path: folder.file("a.db"))
        try await first.write { transaction in
            try transaction.run("create table note (id integer primary key, text text not null) strict")
            try transaction.run("insert into note (text) values ($1)", ["hello"])
        }
        await first.close()

        let second = try SQLiteDatabase(path: folder.file("a.db"))
        let texts = try await second.read { try $0.query("select text from note") { $0.text(0) } }

        #expect(texts == ["hello"])
        await second.close()
    }

    @Test
    func `binds by number and not by the order of appearance`() async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteDatabase(path: folder.file("a.db"))

        let row = try await database.read { snapshot in
            try snapshot.first("select $2, $1, $1, '$2'", ["first", "second"]) { row in
                (0..<4).map(row.text)
            }
        }

        #expect(row == ["second", "first", "first", "$2"])
        await database.close()
    }

    @Test
    func `inserts many rows, short and long, and tells their keys`() async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteDatabase(path: folder.file("a.db"))
        // Together and alone more than the statement's own buffer holds.
        let sizes = [0, 1, 4_000, 5_000, 8_192, 8_193, 100_000, 3]

        let keys = try await database.write { transaction in
            try transaction.run("create table note (id integer primary key, text text not null, blob blob) strict")
            try transaction.run("insert into note (id, text) values (41, 'before')")
            return try transaction.insert(
                "insert into note (text, blob) values ($1, $2)",
                count: sizes.count
            ) { index, parameters in
                parameters.bind(String(repeating: "é", count: sizes[index]), at: 1)
                parameters.bind([UInt8](repeating: UInt8(index), count: sizes[index]), at: 2)
            }
        }

        let rows = try await database.read { snapshot in
            try snapshot.query("select id, text, blob from note where id > 41 order by id") { row in
                (row.integer(0), row.text(1), row.bytes(2))
            }
        }
        #expect(keys == Array(42..<50))
        #expect(rows.map(\.0) == keys)
        #expect(rows.map(\.1) == sizes.map { String(repeating: "é", count: $0) })
        #expect(rows.map(\.2) == sizes.enumerated().map { [UInt8](repeating: UInt8($0), count: $1) })
        await database.close()
    }

    @Test
    func `keeps every kind of value`() async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteDatabase(path: folder.file("a.db"))
        let values: [SQLValue] = [.null, .integer(.min), .text(""), .text("a\0b"), .blob([]), .blob([0, 255])]

        let kinds = try await database.read { snapshot in
            try snapshot.first(
                "select $1 is null, $2, typeof($3), $4, typeof($5), $6",
                values
            ) { row in
                "\(row.bool(0)) \(row.integer(1)) \(row.text(2)) \(row.text(3).count) \(row.text(4)) \(row.bytes(5))"
            }
        }

        #expect(kinds == "true \(Int64.min) text 3 blob [0, 255]")
        await database.close()
    }

    @Test
    func `takes back only the closure that throws, among many that share a commit`() async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteDatabase(path: folder.file("a.db"))
        try await database.write { try $0.run("create table number (value integer not null) strict") }

        let refused = await withTaskGroup(of: Bool.self) { group in
            for value in 0..<200 {
                group.addTask {
                    do {
                        try await database.write { transaction in
                            try transaction.run("insert into number values ($1)", [.integer(Int64(value))])
                            if value % 3 == 0 { throw Refusal() }
                        }
                        return false
                    } catch {
                        return error is Refusal
                    }
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }

        let kept = try await database.read { try $0.query("select value from number order by 1") { $0.integer(0) } }
        #expect(refused == 67)
        #expect(kept == (0..<200).filter { $0 % 3 != 0 }.map(Int64.init))
        await database.close()
    }

    @Test
    func `answers a write only after others can read it`() async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteDatabase(path: folder.file("a.db"))
        try await database.write { try $0.run("create table number (value integer not null) strict") }

        for value in 1...50 as ClosedRange<Int64> {
            try await database.write { _ = try $0.run("insert into number values ($1)", [.integer(value)]) }
            let count = try await database.read { try $0.first("select count(*) from number") { $0.integer(0) } }
            #expect(count == value)
        }
        await database.close()
    }

    @Test
    func `reads one snapshot however often it asks`() async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteDatabase(path: folder.file("a.db"))
        try await database.write { try $0.run("create table number (value integer not null) strict") }
        let hasRead = DispatchSemaphore(value: 0)
        let hasWritten = DispatchSemaphore(value: 0)

        async let counts = database.read { snapshot in
            let before = try snapshot.first("select count(*) from number") { $0.integer(0) }
            hasRead.signal()
            hasWritten.wait()
            return [before, try snapshot.first("select count(*) from number") { $0.integer(0) }]
        }
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                hasRead.wait()
                continuation.resume()
            }
        }
        try await database.write { _ = try $0.run("insert into number values (1)") }
        hasWritten.signal()

        #expect(try await counts == [0, 0])
        await database.close()
    }

    @Test
    func `lets readers only read`() async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteDatabase(path: folder.file("a.db"))
        try await database.write { try $0.run("create table number (value integer not null) strict") }

        await #expect(throws: TerapiError.self) {
            try await database.read { try $0.query("insert into number values (1) returning value") { _ in } }
        }
        // A reader's checkpoint is what could damage the log: it must do nothing.
        let walPath = folder.file("a.db-wal")
        let before = try FileManager.default.attributesOfItem(atPath: walPath)[.size] as? Int
        let frames = try? await database.read { snapshot in
            try snapshot.first("pragma wal_checkpoint(truncate)") { $0.integer(2) }
        }
        #expect((frames ?? -1) <= 0)
        #expect(try FileManager.default.attributesOfItem(atPath: walPath)[.size] as? Int == before)
        await database.close()
    }

    @Test
    func `tells a broken rule of the schema from a broken storage`() async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteDatabase(path: folder.file("a.db"))
        try await database.write { transaction in
            try transaction.run("create table parent (id integer primary key) strict")
            try transaction.run("create table child (parent_id integer not null references parent) strict")
            try transaction.run("insert into parent values (1)")
        }

        func kind(_ sql: SQL) async -> ConstraintViolation.Kind? {
            do {
                try await database.write { _ = try $0.run(sql) }
                return nil
            } catch {
                return (error as? ConstraintViolation)?.kind
            }
        }
        #expect(await kind("insert into parent values (1)") == .unique)
        #expect(await kind("insert into child values (2)") == .foreignKey)
        #expect(await kind("insert into child values (null)") == .other)
        #expect(await kind("insert into child values (1)") == nil)
        await database.close()
    }

    @Test
    func `refuses work after it was closed`() async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteDatabase(path: folder.file("a.db"))
        await database.close()

        let writing = await #expect(throws: TerapiError.self) { try await database.write { _ in } }
        let reading = await #expect(throws: TerapiError.self) { try await database.read { _ in } }
        #expect(writing?.code == .storageUnavailable)
        #expect(reading?.code == .storageUnavailable)
    }

    @Test
    func `reports a full disk and goes on when there is room again`() async throws {
        let folder = try TemporaryFolder()
        let database = try SQLiteDatabase(path: folder.file("a.db"))
        try await database.write { transaction in
            try transaction.run("create table block (bytes blob not null) strict")
        }
        try await database.write { _ = try $0.query("pragma max_page_count = 8") { _ in } }

        let failure = await #expect(throws: TerapiError.self) {
            try await database.write { transaction in
                try transaction.run("insert into block values ($1)", [.blob([UInt8](repeating: 1, count: 200_000))])
            }
        }
        try await database.write { _ = try $0.query("pragma max_page_count = 1000000") { _ in } }
        try await database.write { _ = try $0.run("insert into block values (x'00')") }
        let count = try await database.read { try $0.first("select count(*) from block") { $0.integer(0) } }

        #expect(failure?.code == .storageUnavailable)
        #expect(count == 1)
        await database.close()
    }
}

struct DataFolderLockTests {
    @Test
    func `refuses a second owner until the first lets go`() throws {
        let folder = try TemporaryFolder()
        do {
            let first = try DataFolderLock(folder: folder.path)
            let failure = #expect(throws: TerapiError.self) { try DataFolderLock(folder: folder.path) }
            #expect(failure?.code == .dataFolderInUse)
            #expect(failure?.message.contains(folder.path) == true)
            withExtendedLifetime(first) {}
        }
        _ = try DataFolderLock(folder: folder.path)
    }

    #if os(Linux)
    @Test
    func `lets go while a child that is being started still has a copy of the descriptor`() throws {
        let folder = try TemporaryFolder()
        var copy: Int32 = -1
        defer { close(copy) }
        do {
            let first = try DataFolderLock(folder: folder.path)
            let files = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
            let place = files.first {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)"))
                    == "\(folder.path)/lock"
            }
            copy = dup(try #require(place.flatMap(Int32.init)))
            withExtendedLifetime(first) {}
        }
        _ = try DataFolderLock(folder: folder.path)
    }
    #endif
}
