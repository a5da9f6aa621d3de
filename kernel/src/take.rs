//! Strings of a column in another order, each copied once, however many chunks the column comes in.

#![forbid(unsafe_code)]

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BinaryArray};
use arrow_schema::{ArrowError, DataType};

/// The values at these places, counted over all chunks. They are taken as bytes: none is trusted to be UTF-8.
pub fn take(chunks: &[ArrayRef], places: &ArrayRef) -> Result<BinaryArray, ArrowError> {
    let chunks = chunks.iter().map(strings).collect::<Result<Vec<_>, _>>()?;
    let places = places.as_primitive_opt::<Int64Type>().ok_or_else(|| unexpected("int64", places))?;
    let values = found(&chunks, places.values())?;
    let size = values.iter().flatten().map(|value| value.len()).sum::<usize>();
    if i32::try_from(size).is_err() {
        return Err(ArrowError::OffsetOverflowError(size));
    }
    let mut taken = BinaryBuilder::with_capacity(values.len(), size);
    values.into_iter().for_each(|value| taken.append_option(value));
    Ok(taken.finish())
}

fn found<'a>(chunks: &'a [BinaryArray], places: &[i64]) -> Result<Vec<Option<&'a [u8]>>, ArrowError> {
    let mut starts = vec![0];
    starts.extend(chunks.iter().scan(0, |rows, chunk| {
        *rows += chunk.len() as i64;
        Some(*rows)
    }));
    let mut current = 0;
    let value = |&place: &i64| {
        if !(0..starts[chunks.len()]).contains(&place) {
            return Err(ArrowError::InvalidArgumentError(format!("there is no place {place}")));
        }
        // Neighbours mostly come from one chunk.
        if !(starts[current]..starts[current + 1]).contains(&place) {
            current = starts.partition_point(|&start| start <= place) - 1;
        }
        let (chunk, row) = (&chunks[current], (place - starts[current]) as usize);
        Ok(chunk.is_valid(row).then(|| chunk.value(row)))
    };
    places.iter().map(value).collect()
}

fn strings(chunk: &ArrayRef) -> Result<BinaryArray, ArrowError> {
    match chunk.data_type() {
        DataType::Utf8 => Ok(chunk.as_string::<i32>().clone().into()),
        _ => Err(unexpected("string", chunk)),
    }
}

fn unexpected(wanted: &str, found: &ArrayRef) -> ArrowError {
    ArrowError::SchemaError(format!("expected {wanted}, not {}", found.data_type()))
}
