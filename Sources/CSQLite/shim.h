#include <sqlite3.h>
#include <stdbool.h>

// What Swift cannot call: variadic functions, and SQLITE_TRANSIENT, which is a cast of -1 to a function pointer.

/// Turns off the memory statistics, whose lock every allocation of every connection takes.
/// Must run before the first connection opens.
static inline int csqlite_configure(void) {
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/// Makes "text" in double quotes a name only, never silently a string.
static inline void csqlite_refuse_double_quoted_strings(sqlite3 *db) {
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, (void *)0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, (void *)0);
}

/// What is not kept until the statement is reset is copied.
static inline int csqlite_bind_text(sqlite3_stmt *statement, int index, const void *text, int count, bool kept) {
    return sqlite3_bind_text(statement, index, (const char *)text, count, kept ? SQLITE_STATIC : SQLITE_TRANSIENT);
}

static inline int csqlite_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int count, bool kept) {
    return sqlite3_bind_blob(statement, index, bytes, count, kept ? SQLITE_STATIC : SQLITE_TRANSIENT);
}
