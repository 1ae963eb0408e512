//! What a driver says, in the words of the ports.

use oriel_store::StoreError;
use sqlx::error::{DatabaseError, ErrorKind};

/// A driver's error as a port's. A violated unique index becomes `Exists` of a "record"; who knows what it was says so
/// with [`named`].
pub(crate) fn map(error: sqlx::Error) -> StoreError {
    let sqlx::Error::Database(database) = &error else {
        return match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Corrupt { what: error.to_string() },
            sqlx::Error::Io(ref io) if io.kind() == std::io::ErrorKind::StorageFull => StoreError::Full,
            other => unavailable(other),
        };
    };
    if database.kind() == ErrorKind::UniqueViolation {
        return StoreError::Exists { what: "record" };
    }
    match classify(database.as_ref()) {
        Class::Full => StoreError::Full,
        Class::ReadOnly => StoreError::ReadOnly,
        Class::Corrupt => StoreError::Corrupt {
            what: database.message().to_owned(),
        },
        Class::Other => unavailable(error),
    }
}

enum Class {
    Full,
    ReadOnly,
    Corrupt,
    Other,
}

/// SQLite's result codes (<https://www.sqlite.org/rescode.html>; the low byte of an extended code is the primary
/// one) are numbers, PostgreSQL's SQLSTATEs
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>) have five characters.
fn classify(error: &dyn DatabaseError) -> Class {
    let Some(code) = error.code() else { return Class::Other };
    if code.len() == 5 {
        return match code.as_ref() {
            "53100" => Class::Full,
            "25006" => Class::ReadOnly,
            "XX001" | "XX002" => Class::Corrupt,
            _ => Class::Other,
        };
    }
    match code.parse::<i32>().map(|code| code & 0xff) {
        Ok(13) => Class::Full,
        Ok(8) => Class::ReadOnly,
        Ok(11 | 26) => Class::Corrupt,
        _ => Class::Other,
    }
}

/// Whether SQLite refused because somebody else holds the lock.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// Says what exists.
pub(crate) fn named(error: StoreError, what: &'static str) -> StoreError {
    match error {
        StoreError::Exists { .. } => StoreError::Exists { what },
        other => other,
    }
}

pub(crate) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable { source: source.into() }
}

pub(crate) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt { what: what.to_string() }
}
