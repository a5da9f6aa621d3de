//! Strings of a table in another order, each copied once, however many batches the table comes in.

#![forbid(unsafe_code)]

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType};

/// The values at these places, counted over all batches, by column.
///
/// They are taken as bytes: none is trusted to be UTF-8.
pub fn take(batches: &[RecordBatch], places: &ArrayRef) -> Result<Vec<BinaryArray>, ArrowError> {
    let places = places.as_primitive_opt::<Int64Type>().ok_or_else(|| unexpected("int64", places))?;
    let found = found(batches, places.values())?;
    let columns = batches.first().map_or(0, RecordBatch::num_columns);
    let column = |place| {
        let chunks = batches.iter().map(|batch| strings(batch.column(place)));
        taken(&chunks.collect::<Result<Vec<_>, _>>()?, &found)
    };
    (0..columns).map(column).collect()
}

fn taken(chunks: &[BinaryArray], found: &[(u32, u32)]) -> Result<BinaryArray, ArrowError> {
    let value = |&(chunk, row): &(u32, u32)| {
        let (chunk, row) = (&chunks[chunk as usize], row as usize);
        chunk.is_valid(row).then(|| chunk.value(row))
    };
    let values = found.iter().map(value).collect::<Vec<_>>();
    let size = values.iter().flatten().map(|value| value.len()).sum::<usize>();
    if i32::try_from(size).is_err() {
        return Err(ArrowError::OffsetOverflowError(size));
    }
    let mut content = Vec::with_capacity(size);
    values.iter().flatten().for_each(|value| content.extend_from_slice(value));
    let offsets = OffsetBuffer::from_lengths(values.iter().map(|value| value.map_or(0, <[u8]>::len)));
    let has_nulls = chunks.iter().any(|chunk| chunk.null_count() > 0);
    let nulls = has_nulls.then(|| values.iter().map(Option::is_some).collect::<NullBuffer>());
    BinaryArray::try_new(offsets, content.into(), nulls)
}

/// The batch and the row in it of each place.
fn found(batches: &[RecordBatch], places: &[i64]) -> Result<Vec<(u32, u32)>, ArrowError> {
    let mut starts = vec![0];
    starts.extend(batches.iter().scan(0, |rows, batch| {
        *rows += batch.num_rows() as i64;
        Some(*rows)
    }));
    let mut current = 0;
    let batch_and_row = |&place: &i64| {
        if !(0..starts[batches.len()]).contains(&place) {
            return Err(ArrowError::InvalidArgumentError(format!("there is no place {place}")));
        }
        // Neighbours mostly come from one batch.
        if !(starts[current]..starts[current + 1]).contains(&place) {
            current = starts.partition_point(|&start| start <= place) - 1;
        }
        Ok((current as u32, (place - starts[current]) as u32))
    };
    places.iter().map(batch_and_row).collect()
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
