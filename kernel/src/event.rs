//! One row's `ev`: its status, the members that matter, its key.

#![forbid(unsafe_code)]

use xxhash_rust::xxh3::xxh3_128;

use crate::canonical::{Members, prefix};
use crate::json::{Fault, Span, Value, Walker, is_too_deep};
use crate::numbers::{self, Number};
use crate::strings;
use crate::timestamps::{self, Claim};

/// Longest `ev` that is looked into, in bytes.
const MAX_BYTES: usize = 1_048_576;

/// What became of an `ev`; the order is that of `EV_STATUSES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvStatus {
    Null,
    TooBig,
    TooDeep,
    NotJson,
    NotObject,
    Ok,
}

pub const EV_STATUSES: [&str; 6] = ["null", "too_big", "too_deep", "not_json", "not_object", "ok"];

/// An event's identity on its device.
pub enum EventKey<'a> {
    None,
    /// Hash of the canonical JSON without volatile members.
    Payload(u128),
    /// The EventId, and the same hash beside it.
    EventId(&'a [u8], u128),
}

/// Members of an event that are read, beside those that are only hashed.
#[derive(Clone, Copy)]
enum Field {
    TimeStamp,
    LogTime,
    EventId,
}

struct KnownKey {
    name: Box<[u8]>,
    prefix: u64,
    field: Option<Field>,
    is_volatile: bool,
}

/// Reads one event at a time; its memory is reused from row to row.
pub struct EventReader {
    known: Vec<KnownKey>,
    members: Members,
    fields: [Option<Value>; 3],
    canonical: Vec<u8>,
    scratch: Vec<u8>,
}

impl EventReader {
    /// `volatile` names the top-level members that are no part of an event's identity.
    pub fn new(volatile: &[String]) -> Self {
        let fields =
            [("TimeStamp", Field::TimeStamp), ("LogTime", Field::LogTime), ("EventId", Field::EventId)];
        let known = |name: &str, field| KnownKey {
            name: name.as_bytes().into(),
            prefix: prefix(name.as_bytes(), Span { start: 0, end: name.len() }),
            field,
            is_volatile: volatile.iter().any(|other| other == name),
        };
        let others = volatile.iter().filter(|name| fields.iter().all(|(field, _)| field != name));
        Self {
            known: fields
                .iter()
                .map(|(name, field)| known(name, Some(*field)))
                .chain(others.map(|name| known(name, None)))
                .collect(),
            members: Members::default(),
            fields: [None; 3],
            canonical: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Reads an `ev`; the other methods then tell about it and want the same text.
    pub fn read(&mut self, text: Option<&[u8]>) -> EvStatus {
        self.fields = [None; 3];
        self.members.clear();
        let Some(text) = text else { return EvStatus::Null };
        if text.len() > MAX_BYTES {
            return EvStatus::TooBig;
        }
        let status = match self.walk(text) {
            Ok(status) => return status,
            Err(Fault::TooDeep) => EvStatus::TooDeep,
            Err(Fault::Syntax) if is_too_deep(text) => EvStatus::TooDeep,
            Err(Fault::Syntax) => EvStatus::NotJson,
        };
        self.fields = [None; 3];
        status
    }

    pub fn time_stamp(&mut self, text: &[u8], day_first: bool) -> Claim {
        self.claim(text, Field::TimeStamp, day_first)
    }

    pub fn log_time(&mut self, text: &[u8], day_first: bool) -> Claim {
        self.claim(text, Field::LogTime, day_first)
    }

    pub fn has_event_id(&mut self, text: &[u8]) -> bool {
        self.is_present(text, Field::EventId)
    }

    pub fn key(&mut self, text: &[u8]) -> Result<EventKey<'_>, Fault> {
        if self.is_present(text, Field::TimeStamp) {
            return Ok(EventKey::Payload(self.payload_hash(text)?));
        }
        if !self.has_event_id(text) {
            return Ok(EventKey::None);
        }
        let hash = self.payload_hash(text)?;
        let Some(value) = self.fields[Field::EventId as usize] else { return Ok(EventKey::None) };
        self.scratch.clear();
        match string_inside(text, &value) {
            Some(raw) => strings::unescape(raw, &mut self.scratch),
            None => {
                let mut walker = Walker::within(text, value.span.start);
                self.members.write_value(&mut walker, &mut self.scratch)?;
            }
        }
        Ok(EventKey::EventId(&self.scratch, hash))
    }

    fn walk(&mut self, text: &[u8]) -> Result<EvStatus, Fault> {
        simdutf8::basic::from_utf8(text).map_err(|_| Fault::Syntax)?;
        let mut walker = Walker::new(text);
        if walker.first_byte() != b'{' {
            walker.value()?;
            walker.end()?;
            return Ok(EvStatus::NotObject);
        }
        let Self { known, members, fields, .. } = self;
        walker.object(|walker, raw| {
            let value = walker.spanned_value()?;
            let member = members.prepare(text, raw, value);
            let same = |known: &&KnownKey| {
                member.prefix == known.prefix && *known.name == *members.key(text, &member)
            };
            let known = known.iter().find(same);
            if let Some(field) = known.and_then(|known| known.field) {
                fields[field as usize] = Some(value);
            }
            if !known.is_some_and(|known| known.is_volatile) {
                members.push(member);
            }
            Ok(value.canonical)
        })?;
        walker.end()?;
        Ok(EvStatus::Ok)
    }

    fn payload_hash(&mut self, text: &[u8]) -> Result<u128, Fault> {
        self.canonical.clear();
        self.members.write(text, &mut self.canonical)?;
        Ok(xxh3_128(&self.canonical))
    }

    fn is_present(&mut self, text: &[u8], field: Field) -> bool {
        let Some(value) = self.fields[field as usize] else { return false };
        match string_inside(text, &value) {
            Some(raw) => !timestamps::trim(unescaped(raw, &mut self.scratch)).is_empty(),
            None => value.span.of(text) != b"null",
        }
    }

    fn claim(&mut self, text: &[u8], field: Field, day_first: bool) -> Claim {
        let Some(value) = self.fields[field as usize] else { return Claim::Absent };
        if let Some(raw) = string_inside(text, &value) {
            return timestamps::of_text(unescaped(raw, &mut self.scratch), day_first);
        }
        let bytes = value.span.of(text);
        match bytes.first() {
            Some(b'n') => Claim::Absent,
            Some(b'-' | b'0'..=b'9') => match numbers::parse(bytes) {
                Number::Integer(number) => i64::try_from(number).ok().map(timestamps::of_integer).into(),
                Number::Float(number) => timestamps::of_float(number).into(),
            },
            _ => Claim::Unreadable,
        }
    }
}

/// What lies between the quotes, when the value is a string.
fn string_inside<'a>(text: &'a [u8], value: &Value) -> Option<&'a [u8]> {
    value.span.of(text).strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// The string itself; copied only if it has escapes.
fn unescaped<'a>(raw: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if !raw.contains(&b'\\') {
        return raw;
    }
    scratch.clear();
    strings::unescape(raw, scratch);
    scratch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> EventReader {
        EventReader::new(&["LogTime".into(), "SeqNo".into()])
    }

    fn status(text: &[u8]) -> EvStatus {
        reader().read(Some(text))
    }

    fn key(text: &str) -> String {
        let mut reader = reader();
        assert_eq!(reader.read(Some(text.as_bytes())), EvStatus::Ok);
        match reader.key(text.as_bytes()).unwrap() {
            EventKey::None => "none".into(),
            EventKey::Payload(hash) => format!("{hash:032x}"),
            EventKey::EventId(id, hash) => format!("{} {hash:032x}", str::from_utf8(id).unwrap()),
        }
    }

    fn hash(canonical: &str) -> String {
        format!("{:032x}", xxh3_128(canonical.as_bytes()))
    }

    #[test]
    fn the_first_status_that_applies() {
        assert_eq!(reader().read(None), EvStatus::Null);
        assert_eq!(status(&vec![b'['; MAX_BYTES + 1]), EvStatus::TooBig);
        assert_eq!(status(&vec![b'['; MAX_BYTES]), EvStatus::TooDeep);
        assert_eq!(status(format!("nonsense {}", "{".repeat(101)).as_bytes()), EvStatus::TooDeep);
        assert_eq!(status(b""), EvStatus::NotJson);
        assert_eq!(status(b"{\"a\":\"\xff\"}"), EvStatus::NotJson);
        assert_eq!(status(b"\"{}\""), EvStatus::NotObject);
        assert_eq!(status(b" {} "), EvStatus::Ok);
    }

    #[test]
    fn the_key_is_the_hash_without_volatile_members() {
        assert_eq!(
            key(r#"{"TimeStamp":1, "b":2,"a":3,"Log\u0054ime":4,"SeqNo":5}"#),
            hash(r#"{"TimeStamp":1,"a":3,"b":2}"#)
        );
        assert_eq!(key(r#"{"TimeStamp":"","TimeStamp":false}"#), hash(r#"{"TimeStamp":false}"#));
    }

    #[test]
    fn without_time_stamp_the_key_is_the_event_id() {
        assert_eq!(
            key(r#"{"EventId":" \u0041 ","TimeStamp":null}"#),
            format!(" A  {}", hash(r#"{"EventId":" A ","TimeStamp":null}"#))
        );
        assert_eq!(
            key(r#"{"EventId":{"b":1,"a": 1.0}}"#),
            format!("{} {}", r#"{"a":1.0,"b":1}"#, hash(r#"{"EventId":{"a":1.0,"b":1}}"#))
        );
        assert_eq!(key(r#"{"EventId":"\u00a0"}"#), "none");
        assert_eq!(key(r#"{"eventid":1,"EventId":1,"EventId":null}"#), "none");
    }

    #[test]
    fn an_unreadable_text_leaves_nothing_behind() {
        let mut reader = reader();
        let text = b"{\"TimeStamp\":1,";
        assert_eq!(reader.read(Some(text)), EvStatus::NotJson);
        assert_eq!(reader.time_stamp(text, false), Claim::Absent);
    }
}
