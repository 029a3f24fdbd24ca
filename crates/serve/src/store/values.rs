//! Values of SeaORM as SQLite has them, and rows back as entities. Knows no table.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use sea_orm::{
    ActiveModelTrait, ColumnTrait as _, ColumnType, DbErr, EntityTrait, Iterable, TryIntoModel, Value,
};

use super::refusal::{broken, refused};

/// A value of a statement.
pub(super) struct Parameter<'a>(pub &'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        const NULL: ToSqlOutput<'static> = ToSqlOutput::Borrowed(ValueRef::Null);
        fn number<'a>(value: Option<impl Into<i64>>) -> ToSqlOutput<'a> {
            value.map_or(NULL, |value| ToSqlOutput::Borrowed(ValueRef::Integer(value.into())))
        }
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "SeaORM's features add kinds; no table of ours has them"
        )]
        Ok(match self.0 {
            Value::Bool(value) => number(*value),
            Value::TinyInt(value) => number(*value),
            Value::SmallInt(value) => number(*value),
            Value::Int(value) => number(*value),
            Value::BigInt(value) => number(*value),
            Value::TinyUnsigned(value) => number(*value),
            Value::SmallUnsigned(value) => number(*value),
            Value::Unsigned(value) => number(*value),
            // What SeaORM makes of LIMIT and OFFSET.
            Value::BigUnsigned(value) => number(value.map(|value| i64::try_from(value).unwrap_or(i64::MAX))),
            Value::String(value) => {
                value.as_ref().map_or(NULL, |text| ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())))
            }
            Value::Bytes(value) => {
                value.as_ref().map_or(NULL, |bytes| ToSqlOutput::Borrowed(ValueRef::Blob(bytes)))
            }
            Value::Json(value) => match value {
                Some(json) => ToSqlOutput::Owned(json.to_string().into()),
                None => NULL,
            },
            other => {
                let error = std::io::Error::other(format!("no column holds {other:?}"));
                return Err(rusqlite::Error::ToSqlConversionFailure(Box::new(error)));
            }
        })
    }
}

/// A row whose columns are those of the entity, in its order.
pub(super) fn model<E>(row: &rusqlite::Row<'_>) -> Result<E::Model, DbErr>
where
    E: EntityTrait,
    E::ActiveModel: TryIntoModel<E::Model>,
{
    let mut active = <E::ActiveModel as ActiveModelTrait>::default();
    for (index, column) in E::Column::iter().enumerate() {
        let stored = row.get_ref(index).map_err(refused)?;
        let value = typed(column.def().get_column_type(), stored)
            .ok_or_else(|| broken(format!("a column of type {:?} holds {stored:?}", column.def())))?;
        active.try_set(column, value)?;
    }
    active.try_into_model()
}

/// SeaORM does not convert a number of one width into another: the column says which is wanted.
fn typed(column: &ColumnType, stored: ValueRef<'_>) -> Option<Value> {
    let number = match stored {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    };
    let text = match stored {
        ValueRef::Text(text) => Some(std::str::from_utf8(text).ok()?.to_owned()),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => None,
    };
    let bytes = match stored {
        ValueRef::Blob(bytes) => Some(bytes.to_vec()),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => None,
    };
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "SeaORM's features add kinds; no table of ours has them"
    )]
    let value = match column {
        ColumnType::Boolean => Value::Bool(number.map(|number| number != 0)),
        ColumnType::Integer => Value::Int(number.map(i32::try_from).transpose().ok()?),
        ColumnType::BigInteger => Value::BigInt(number),
        ColumnType::Char(_) | ColumnType::String(_) | ColumnType::Text => Value::String(text),
        ColumnType::Json | ColumnType::JsonBinary => {
            Value::Json(text.map(|text| text.parse()).transpose().ok()?.map(Box::new))
        }
        ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob => Value::Bytes(bytes),
        _ => return None,
    };
    let stands_for_null = value == value.as_null();
    (stands_for_null == matches!(stored, ValueRef::Null)).then_some(value)
}
