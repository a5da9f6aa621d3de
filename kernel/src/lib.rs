//! The native kernel: events are read in one pass over the bytes of `ev`, texts are copied once; no interpreter lock.
//!
//! The rules are those of the data contract; the Python kernel is their reference, and both give the same bytes.

#![deny(unsafe_code)]

mod batch;
mod calendar;
mod canonical;
mod columns;
mod event;
mod json;
mod numbers;
mod strings;
mod take;
mod timestamps;

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_data::ArrayData;
use arrow_pyarrow::{FromPyArrowUnchecked, IntoPyArrow, ToPyArrow};
use arrow_schema::ArrowError;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use batch::{CANDIDATES, PassedOver, Rules};

#[pymodule]
mod eventlog_kernel {
    #[pymodule_export]
    use super::{read_events, take_strings};
}

/// Reads times and keys from the columns `ev`, `ts` and `eventdate` of a record batch.
///
/// Returns a batch of as many rows, and how many unusable candidates were passed over, by their name and the year of
/// the time they claim (None if they claim none). Raises ValueError for a column that is missing or of another type.
#[pyfunction]
#[pyo3(signature = (batch, lowest_us, highest_us, day_first, volatile))]
fn read_events<'py>(
    batch: &Bound<'py, PyAny>,
    lowest_us: i64,
    highest_us: i64,
    day_first: bool,
    volatile: Vec<String>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
    let py = batch.py();
    let rules = Rules { lowest: lowest_us, highest: highest_us, day_first, volatile };
    let batch = imported(batch)?;
    let (events, passed_over) = py.detach(|| unwinding(|| batch::read(&batch, &rules)))?;
    Ok((events.into_pyarrow(py)?, passed_over_by_name(py, &passed_over)?))
}

/// Takes the strings of a table that comes in record batches, each string copied once.
///
/// `places` (int64, without nulls) count over all batches; the results, one a column, are binary. Raises ValueError for
/// columns that are no strings, RuntimeError for a place that is not there and for more than 2 GiB in a column.
#[pyfunction]
fn take_strings<'py>(
    batches: Vec<Bound<'py, PyAny>>,
    places: &Bound<'py, PyAny>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let py = places.py();
    let batches = batches.iter().map(imported).collect::<PyResult<Vec<_>>>()?;
    let places = imported_array(places)?;
    let taken = py.detach(|| unwinding(|| take::take(&batches, &places)))?;
    taken.iter().map(|column| column.to_data().to_pyarrow(py)).collect()
}

/// A checked import would refuse a whole batch for one string that is not UTF-8, which is for its row to answer for.
#[allow(unsafe_code)]
fn imported(batch: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    // SAFETY: pyarrow keeps offsets and lengths within its buffers, and `columns` reads strings as bytes only.
    unsafe { RecordBatch::from_pyarrow_bound_unchecked(batch) }
}

#[allow(unsafe_code)]
fn imported_array(array: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    // SAFETY: as above; `take` reads strings as bytes only.
    Ok(make_array(unsafe { ArrayData::from_pyarrow_bound_unchecked(array) }?))
}

/// A panic would reach Python as a BaseException, which nobody catches.
fn unwinding<T>(work: impl FnOnce() -> Result<T, ArrowError>) -> PyResult<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error @ ArrowError::SchemaError(_))) => Err(PyValueError::new_err(error.to_string())),
        Ok(Err(error)) => Err(PyRuntimeError::new_err(error.to_string())),
        Err(_) => Err(PyRuntimeError::new_err("the native kernel failed on a batch")),
    }
}

fn passed_over_by_name<'py>(py: Python<'py>, passed_over: &PassedOver) -> PyResult<Bound<'py, PyDict>> {
    let counts = PyDict::new(py);
    for ((candidate, year), count) in passed_over {
        counts.set_item((CANDIDATES[*candidate], year), count)?;
    }
    Ok(counts)
}
