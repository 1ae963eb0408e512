use std::fmt::Display;
use std::str::FromStr;

use oriel_model::Timestamp;
use oriel_store::Result;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::error::{corrupt, map};

/// A row; columns are counted from 0.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! get {
    ($self:expr, $column:expr) => {
        match $self {
            Self::Sqlite(row) => row.try_get($column),
            Self::Postgres(row) => row.try_get($column),
        }
        .map_err(map)
    };
}

impl Row {
    pub(crate) fn int(&self, column: usize) -> Result<i64> {
        get!(self, column)
    }

    pub(crate) fn maybe_int(&self, column: usize) -> Result<Option<i64>> {
        get!(self, column)
    }

    pub(crate) fn text(&self, column: usize) -> Result<&str> {
        get!(self, column)
    }

    pub(crate) fn maybe_text(&self, column: usize) -> Result<Option<&str>> {
        get!(self, column)
    }

    pub(crate) fn blob(&self, column: usize) -> Result<&[u8]> {
        get!(self, column)
    }

    pub(crate) fn moment(&self, column: usize) -> Result<Timestamp> {
        Ok(Timestamp::from_millis(self.int(column)?))
    }

    /// A count or length.
    pub(crate) fn count<T: TryFrom<i64>>(&self, column: usize) -> Result<T> {
        let value = self.int(column)?;
        T::try_from(value).map_err(|_| corrupt(format_args!("{value} is no count")))
    }

    /// An id, a name or a digest.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&self, column: usize) -> Result<T> {
        self.text(column)?.parse().map_err(corrupt)
    }

    pub(crate) fn maybe_parse<T: FromStr<Err: Display>>(&self, column: usize) -> Result<Option<T>> {
        self.maybe_text(column)?.map(str::parse).transpose().map_err(corrupt)
    }

    /// A JSON document.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T> {
        serde_json::from_str(self.text(column)?).map_err(corrupt)
    }
}
