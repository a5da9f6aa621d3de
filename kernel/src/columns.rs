//! The input columns, whichever Arrow form they come in.
//!
//! Strings are read as bytes: no form of Arrow string is trusted to be UTF-8.

#![forbid(unsafe_code)]

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, BinaryViewArray, Int64Array, LargeBinaryArray, RecordBatch};
use arrow_schema::{ArrowError, DataType};

pub enum Strings {
    Small(BinaryArray),
    Large(LargeBinaryArray),
    View(BinaryViewArray),
    AllNull,
}

impl Strings {
    pub fn of(batch: &RecordBatch, name: &str) -> Result<Self, ArrowError> {
        let column = column(batch, name)?;
        match column.data_type() {
            DataType::Utf8 => Ok(Self::Small(column.as_string::<i32>().clone().into())),
            DataType::LargeUtf8 => Ok(Self::Large(column.as_string::<i64>().clone().into())),
            DataType::Utf8View => Ok(Self::View(column.as_string_view().clone().to_binary_view())),
            DataType::Null => Ok(Self::AllNull),
            other => Err(ArrowError::SchemaError(format!("column {name}: expected a string, not {other}"))),
        }
    }

    pub fn get(&self, row: usize) -> Option<&[u8]> {
        match self {
            Self::Small(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Large(array) => array.is_valid(row).then(|| array.value(row)),
            Self::View(array) => array.is_valid(row).then(|| array.value(row)),
            Self::AllNull => None,
        }
    }
}

pub enum Integers {
    Some(Int64Array),
    AllNull,
}

impl Integers {
    pub fn of(batch: &RecordBatch, name: &str) -> Result<Self, ArrowError> {
        let column = column(batch, name)?;
        match column.data_type() {
            DataType::Int64 => Ok(Self::Some(column.as_primitive::<Int64Type>().clone())),
            DataType::Null => Ok(Self::AllNull),
            other => Err(ArrowError::SchemaError(format!("column {name}: expected int64, not {other}"))),
        }
    }

    pub fn get(&self, row: usize) -> Option<i64> {
        match self {
            Self::Some(array) => array.is_valid(row).then(|| array.value(row)),
            Self::AllNull => None,
        }
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("column {name} is missing")))
}
