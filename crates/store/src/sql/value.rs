//! Values that go in and rows that come out.

use crate::errors::WorkError;
use bytes::BytesMut;
use ecp_core::ids::TenantId;
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::{IsNull, ToSql, Type, accepts, to_sql_checked};

/// A value of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// None.
    Null,
    /// A number, or 0 and 1 for a truth value.
    Integer(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u64> for Value<'_> {
    /// Running numbers; what is over the column's range is its end.
    fn from(value: u64) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value<'_> {
    fn from(value: usize) -> Self {
        Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Integer(value.into())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(kind, out),
            // No text of PostgreSQL holds a NUL. Documents never do; what stands beside them to be searched
            // may, and so may what is searched for.
            Self::Text(text) if text.contains('\0') => text.replace('\0', "\u{fffd}").to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    accepts!(INT8, TEXT, BYTEA);
    to_sql_checked!();
}

/// A row of either database.
pub(crate) enum Row<'a> {
    /// Of an embedded file.
    Sqlite(&'a rusqlite::Row<'a>),
    /// Of a server.
    Postgres(&'a tokio_postgres::Row),
}

impl Row<'_> {
    /// A column's value.
    pub(crate) fn get<T: Decode>(&self, column: usize) -> Result<T, WorkError> {
        T::decode(self, column)
    }

    /// What a column says to people; it fails for nothing.
    pub(crate) fn told(&self, column: usize) -> String {
        match self {
            Self::Sqlite(row) => match row.get_ref(column) {
                Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
                Ok(ValueRef::Integer(number)) => number.to_string(),
                Ok(other) => format!("{:?}", other.data_type()),
                Err(error) => error.to_string(),
            },
            Self::Postgres(row) => match row.try_get::<_, String>(column) {
                Ok(text) => text,
                Err(_) => row
                    .try_get::<_, i64>(column)
                    .map_or_else(|error| error.to_string(), |number| number.to_string()),
            },
        }
    }

    /// Whose a row is, where the column says so.
    pub(crate) fn owner(&self, column: usize) -> Option<TenantId> {
        TenantId::parse(&self.get::<Option<String>>(column).ok()??).ok()
    }
}

/// What a column can be read as.
pub(crate) trait Decode: Sized {
    /// The value of a column.
    fn decode(row: &Row<'_>, column: usize) -> Result<Self, WorkError>;
}

macro_rules! decoded_as_it_is {
    ($($kind:ty),*) => {$(
        impl Decode for $kind {
            fn decode(row: &Row<'_>, column: usize) -> Result<Self, WorkError> {
                match row {
                    Row::Sqlite(row) => Ok(row.get(column)?),
                    Row::Postgres(row) => Ok(row.try_get(column)?),
                }
            }
        }
    )*};
}
decoded_as_it_is!(i64, String, Vec<u8>, Option<i64>, Option<String>, Option<Vec<u8>>);

macro_rules! decoded_from_a_number {
    ($($kind:ty),*) => {$(
        impl Decode for $kind {
            fn decode(row: &Row<'_>, column: usize) -> Result<Self, WorkError> {
                let number: i64 = row.get(column)?;
                number
                    .try_into()
                    .map_err(|_| WorkError::Damaged(format!("column {column} holds {number}, out of range")))
            }
        }
    )*};
}
decoded_from_a_number!(u64, u32);

impl Decode for bool {
    fn decode(row: &Row<'_>, column: usize) -> Result<Self, WorkError> {
        Ok(row.get::<i64>(column)? != 0)
    }
}
