use bytes::Bytes;
use oriel_model::{Digest, Timestamp};
use oriel_store::Result;
use sqlx::Arguments;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

use crate::error::unavailable;

/// A value on its way into a statement.
#[derive(Debug, Clone)]
pub(crate) enum Param {
    Int(i64),
    MaybeInt(Option<i64>),
    Text(String),
    MaybeText(Option<String>),
    Blob(Vec<u8>),
    Bool(bool),
}

/// The values of `$1`, `$2`, … in this order.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Param::from($value)),*] };
}
pub(crate) use params;

macro_rules! from {
    ($($type:ty => $value:ident $make:expr;)*) => {
        $(impl From<$type> for Param {
            fn from($value: $type) -> Self {
                $make
            }
        })*
    };
}

from! {
    i64 => value Self::Int(value);
    u32 => value Self::Int(i64::from(value));
    // No count or length gets near 2^63; a quota that does means "no limit".
    u64 => value Self::Int(i64::try_from(value).unwrap_or(i64::MAX));
    usize => value Self::from(value as u64);
    bool => value Self::Bool(value);
    Option<i64> => value Self::MaybeInt(value);
    Timestamp => value Self::Int(value.millis());
    Option<Timestamp> => value Self::MaybeInt(value.map(Timestamp::millis));
    &str => value Self::Text(value.to_owned());
    String => value Self::Text(value);
    Option<String> => value Self::MaybeText(value);
    Digest => value Self::Text(value.to_string());
    Vec<u8> => value Self::Blob(value);
    &[u8] => value Self::Blob(value.to_vec());
    Bytes => value Self::Blob(value.into());
}

macro_rules! add_all {
    ($params:expr, $arguments:expr) => {
        for param in $params {
            match param {
                Param::Int(value) => $arguments.add(value),
                Param::MaybeInt(value) => $arguments.add(value),
                Param::Text(value) => $arguments.add(value),
                Param::MaybeText(value) => $arguments.add(value),
                Param::Blob(value) => $arguments.add(value),
                Param::Bool(value) => $arguments.add(value),
            }
            .map_err(unavailable)?;
        }
    };
}

pub(super) fn sqlite(params: Vec<Param>) -> Result<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    add_all!(params, arguments);
    Ok(arguments)
}

pub(super) fn postgres(params: Vec<Param>) -> Result<PgArguments> {
    let mut arguments = PgArguments::default();
    add_all!(params, arguments);
    Ok(arguments)
}
