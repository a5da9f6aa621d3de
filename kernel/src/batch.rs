//! A batch of raw rows in, a batch of what is read from them out, row by row.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, Int8Builder, TimestampMicrosecondBuilder,
    UInt64Builder,
};
use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use xxhash_rust::xxh3::xxh3_64;

use crate::calendar;
use crate::columns::{Integers, Strings};
use crate::event::{EV_STATUSES, EvStatus, EventKey, EventReader};
use crate::timestamps::{self, Claim};

pub const CANDIDATES: [&str; 4] = ["ev.TimeStamp", "ev.LogTime", "ts", "eventdate"];
const TIMESTAMP_STATUSES: [&str; 4] = ["ok", "fallback", "invalid", "missing"];

/// The order is that of `TIMESTAMP_STATUSES`.
#[derive(Clone, Copy, PartialEq)]
enum TimestampStatus {
    Ok,
    Fallback,
    Invalid,
    Missing,
}

/// How the rows are to be read.
pub struct Rules {
    /// Both ends are plausible, in microseconds since 1970.
    pub lowest: i64,
    pub highest: i64,
    pub day_first: bool,
    pub volatile: Vec<String>,
}

/// Unusable candidates that were passed over: by place in `CANDIDATES` and the year of the time they claim, if any.
pub type PassedOver = BTreeMap<(usize, Option<i64>), u64>;

/// Reads the columns `ev`, `ts` and `eventdate` of a batch.
pub fn read(batch: &RecordBatch, rules: &Rules) -> Result<(RecordBatch, PassedOver), ArrowError> {
    let ev = Strings::of(batch, "ev")?;
    let ts = Strings::of(batch, "ts")?;
    let eventdate = Integers::of(batch, "eventdate")?;
    let mut reader = EventReader::new(&rules.volatile);
    let mut out = Output::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let text = ev.get(row);
        let status = reader.read(text);
        let text = text.unwrap_or_default();
        out.add_time(rules, |candidate| match candidate {
            0 => reader.time_stamp(text, rules.day_first),
            1 => reader.log_time(text, rules.day_first),
            2 => ts.get(row).map_or(Claim::Absent, |text| timestamps::of_text(text, rules.day_first)),
            _ => eventdate.get(row).map_or(Claim::Absent, |nanos| Claim::At(timestamps::of_nanos(nanos))),
        });
        out.add_event(status, text, &mut reader)?;
    }
    out.finish()
}

/// The columns of the result, as they grow.
struct Output {
    valid_timestamp: TimestampMicrosecondBuilder,
    timestamp_source: Int8Builder,
    timestamp_status: Int8Builder,
    event_key: BinaryBuilder,
    key_hash: UInt64Builder,
    ev_status: Int8Builder,
    payload_hash: FixedSizeBinaryBuilder,
    has_event_id: BooleanBuilder,
    passed_over: PassedOver,
}

impl Output {
    fn with_capacity(rows: usize) -> Self {
        Self {
            valid_timestamp: TimestampMicrosecondBuilder::with_capacity(rows),
            timestamp_source: Int8Builder::with_capacity(rows),
            timestamp_status: Int8Builder::with_capacity(rows),
            event_key: BinaryBuilder::with_capacity(rows, rows * 32),
            key_hash: UInt64Builder::with_capacity(rows),
            ev_status: Int8Builder::with_capacity(rows),
            payload_hash: FixedSizeBinaryBuilder::with_capacity(rows, 16),
            has_event_id: BooleanBuilder::with_capacity(rows),
            passed_over: PassedOver::new(),
        }
    }

    /// Takes the first candidate that is valid; later ones are not asked for.
    fn add_time(&mut self, rules: &Rules, mut claim: impl FnMut(usize) -> Claim) {
        let mut status = TimestampStatus::Missing;
        for candidate in 0..CANDIDATES.len() {
            let year = match claim(candidate) {
                Claim::Absent => continue,
                Claim::Unreadable => None,
                Claim::At(micros) if (rules.lowest..=rules.highest).contains(&micros) => {
                    self.valid_timestamp.append_value(micros);
                    self.timestamp_source.append_value(candidate as i8);
                    let is_first = status == TimestampStatus::Missing;
                    status = if is_first { TimestampStatus::Ok } else { TimestampStatus::Fallback };
                    self.timestamp_status.append_value(status as i8);
                    return;
                }
                Claim::At(micros) => Some(calendar::year(micros.into())),
                Claim::FarIn { year } => Some(year),
            };
            status = TimestampStatus::Invalid;
            *self.passed_over.entry((candidate, year)).or_default() += 1;
        }
        self.valid_timestamp.append_null();
        self.timestamp_source.append_null();
        self.timestamp_status.append_value(status as i8);
    }

    fn add_event(
        &mut self,
        status: EvStatus,
        text: &[u8],
        reader: &mut EventReader,
    ) -> Result<(), ArrowError> {
        self.ev_status.append_value(status as i8);
        self.has_event_id.append_value(status == EvStatus::Ok && reader.has_event_id(text));
        let key = match status {
            EvStatus::Ok => reader.key(text),
            _ => Ok(EventKey::None),
        };
        // The text has been walked from end to end by now; a fault here would be one of this program.
        match key.map_err(|fault| ArrowError::ComputeError(format!("{fault:?}")))? {
            EventKey::None => {
                self.event_key.append_null();
                self.key_hash.append_value(0);
                self.payload_hash.append_null();
            }
            EventKey::Payload(hash) => {
                self.event_key.append_value(hex(hash));
                self.key_hash.append_value((hash >> 64) as u64);
                self.payload_hash.append_null();
            }
            EventKey::EventId(id, hash) => {
                self.event_key.append_value(id);
                self.key_hash.append_value(hash_of_id(id));
                self.payload_hash.append_value(hash.to_be_bytes())?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(RecordBatch, PassedOver), ArrowError> {
        let event_key = StringArray::try_from_binary(self.event_key.finish())?;
        let columns: [(&str, ArrayRef); 8] = [
            ("valid_timestamp", Arc::new(self.valid_timestamp.finish().with_timezone("UTC"))),
            ("timestamp_source", dictionary(self.timestamp_source, &CANDIDATES)?),
            ("timestamp_status", dictionary(self.timestamp_status, &TIMESTAMP_STATUSES)?),
            ("event_key", Arc::new(event_key)),
            ("key_hash", Arc::new(self.key_hash.finish())),
            ("ev_status", dictionary(self.ev_status, &EV_STATUSES)?),
            ("payload_hash", Arc::new(self.payload_hash.finish())),
            ("has_event_id", Arc::new(self.has_event_id.finish())),
        ];
        let nullable = columns.map(|(name, column)| (name, column, true));
        Ok((RecordBatch::try_from_iter_with_nullable(nullable)?, self.passed_over))
    }
}

fn dictionary(mut keys: Int8Builder, values: &[&str]) -> Result<ArrayRef, ArrowError> {
    let values = StringArray::from_iter_values(values);
    Ok(Arc::new(DictionaryArray::try_new(keys.finish(), Arc::new(values))?))
}

/// As `event_key.key_hash` has it: an EventId may look like the hash of a content.
fn hash_of_id(id: &[u8]) -> u64 {
    let hash = std::str::from_utf8(id).ok().and_then(|id| u128::from_str_radix(id, 16).ok());
    match hash {
        Some(hash) if hex(hash) == id => (hash >> 64) as u64,
        _ => xxh3_64(id),
    }
}

/// As `xxhash.xxh3_128_digest().hex()` writes it.
fn hex(hash: u128) -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(hash.to_be_bytes()) {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
}
