//! Errors of our own SQLite connection in the words of SeaORM, so that callers ask one question for all stores.

use std::borrow::Cow;
use std::error::Error as StdError;

use rusqlite::ffi;
use sea_orm::sqlx::error::{DatabaseError, ErrorKind};
use sea_orm::{DbErr, RuntimeErr, sqlx};

/// What SQLite said.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Refusal {
    /// Extended result code.
    code: i32,
    message: String,
}

/// The error of a statement.
#[allow(clippy::needless_pass_by_value, reason = "it is the last argument of map_err")]
pub(super) fn refused(error: rusqlite::Error) -> DbErr {
    let Some(said) = error.sqlite_error() else { return broken(error.to_string()) };
    let refusal = Refusal { code: said.extended_code, message: error.to_string() };
    DbErr::Exec(RuntimeErr::SqlxError(sqlx::Error::Database(Box::new(refusal)).into()))
}

/// The disk failed, and not only by being full: what of the last write is on it, nobody knows.
pub(super) fn is_disk(error: &DbErr) -> bool {
    let failed = [
        ffi::SQLITE_IOERR,
        ffi::SQLITE_CANTOPEN,
        ffi::SQLITE_CORRUPT,
        ffi::SQLITE_NOTADB,
        ffi::SQLITE_READONLY,
    ];
    sqlite_code(error).is_some_and(|code| failed.contains(&code))
}

/// Primary result code.
fn sqlite_code(error: &DbErr) -> Option<i32> {
    const PRIMARY_CODE: i32 = 0xff;
    let DbErr::Exec(RuntimeErr::SqlxError(error)) = error else { return None };
    let code = error.as_database_error().and_then(DatabaseError::code)?;
    Some(code.parse::<i32>().ok()? & PRIMARY_CODE)
}

/// An error that is not SQLite's.
pub(super) fn broken(what: String) -> DbErr {
    DbErr::Exec(RuntimeErr::Internal(what))
}

impl DatabaseError for Refusal {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        match self.code {
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE => ErrorKind::UniqueViolation,
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorKind::ForeignKeyViolation,
            ffi::SQLITE_CONSTRAINT_NOTNULL => ErrorKind::NotNullViolation,
            ffi::SQLITE_CONSTRAINT_CHECK => ErrorKind::CheckViolation,
            _ => ErrorKind::Other,
        }
    }
}
