//! Canonical JSON: keys sorted, no white space, the last of a repeated key, every scalar as orjson writes it.
//!
//! Values of an event that are canonical already are copied; the others are walked once more and written as they are
//! met. Where the keys of an object inside turn out unsorted, what has been written of it is put in order.

#![forbid(unsafe_code)]

use std::cmp::Ordering;

use crate::json::{Fault, RawKey, Span, Value, Walker};
use crate::{numbers, strings};

/// A member of an object, ready to be sorted.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    raw: RawKey,
    /// Where the unescaped key lies: in `Members::keys` if it had escapes, else in the text.
    key: Span,
    pub prefix: u64,
    /// In the text, for a member of the event itself; else the whole member with its comma, in the output.
    value: Value,
    /// How many members were pushed before it.
    place: usize,
}

/// Members of an event, and of the objects inside that are being written; its memory is reused from row to row.
#[derive(Default)]
pub struct Members {
    list: Vec<Member>,
    keys: Vec<u8>,
    /// Places of the last event's members in the order of their keys.
    last_order: Vec<usize>,
    spare_list: Vec<Member>,
    spare_bytes: Vec<u8>,
}

impl Members {
    pub fn clear(&mut self) {
        self.list.clear();
        self.keys.clear();
    }

    /// Unescapes the key of a member, to look at it before the member is pushed or dropped.
    pub fn prepare(&mut self, text: &[u8], raw: RawKey, value: Value) -> Member {
        let key = if raw.has_escapes {
            let start = self.keys.len();
            strings::unescape(raw.span.of(text), &mut self.keys);
            Span { start, end: self.keys.len() }
        } else {
            raw.span
        };
        let prefix = prefix(if raw.has_escapes { &self.keys } else { text }, key);
        Member { raw, key, prefix, value, place: 0 }
    }

    pub fn push(&mut self, member: Member) {
        self.list.push(Member { place: self.list.len(), ..member });
    }

    /// The unescaped key of a member.
    pub fn key<'a>(&'a self, text: &'a [u8], member: &Member) -> &'a [u8] {
        key(text, &self.keys, member)
    }

    /// Writes an object of the event's members.
    pub fn write(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.arrange_as_last_time();
        self.sort(text, 0);
        let start = out.len();
        out.push(b'{');
        for index in 0..self.list.len() {
            if !self.is_repeated(text, index) {
                self.write_member(text, index, out)?;
            }
        }
        close(b'}', start, out);
        self.last_order.clear();
        self.last_order.extend(self.list.iter().map(|member| member.place));
        Ok(())
    }

    /// Writes the value that a walker stands before.
    pub fn write_value(&mut self, walker: &mut Walker, out: &mut Vec<u8>) -> Result<(), Fault> {
        match walker.first_byte() {
            b'{' => return self.write_object(walker, out),
            b'[' => return self.write_array(walker, out),
            _ => {}
        }
        let value = walker.spanned_value()?;
        let bytes = value.span.of(walker.text());
        match bytes {
            _ if value.canonical => out.extend_from_slice(bytes),
            [b'"', raw @ .., b'"'] => strings::write_canonical(raw, out),
            _ => numbers::write_canonical(bytes, out),
        }
        Ok(())
    }

    fn write_member(&mut self, text: &[u8], index: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        let member = self.list[index];
        let Member { raw, value, .. } = member;
        if !raw.has_escapes && value.canonical && value.span.start == raw.span.end + 2 {
            // Only `":` lies between them.
            out.extend_from_slice(&text[raw.span.start - 1..value.span.end]);
        } else {
            self.write_key(text, &member, out);
            match value.canonical {
                true => out.extend_from_slice(value.span.of(text)),
                false => self.write_value(&mut Walker::within(text, value.span.start), out)?,
            }
        }
        out.push(b',');
        Ok(())
    }

    fn write_key(&self, text: &[u8], member: &Member, out: &mut Vec<u8>) {
        if member.raw.has_escapes {
            strings::write_quoted(self.key(text, member), out);
        } else {
            out.extend_from_slice(&text[member.raw.span.start - 1..=member.raw.span.end]);
        }
        out.push(b':');
    }

    fn write_object(&mut self, walker: &mut Walker, out: &mut Vec<u8>) -> Result<(), Fault> {
        let text = walker.text();
        let (start, first, keys) = (out.len(), self.list.len(), self.keys.len());
        out.push(b'{');
        walker.object(|walker, raw| {
            let mut member = self.prepare(text, raw, Value::default());
            member.value.span.start = out.len();
            self.write_key(text, &member, out);
            self.write_value(walker, out)?;
            out.push(b',');
            member.value.span.end = out.len();
            self.push(member);
            Ok(true)
        })?;
        let is_ordered =
            |one: &Member, other: &Member| compare(text, &self.keys, one, other) == Ordering::Less;
        if !self.list[first..].is_sorted_by(is_ordered) {
            self.put_in_order(text, first, start + 1, out);
        }
        close(b'}', start, out);
        self.list.truncate(first);
        self.keys.truncate(keys);
        Ok(())
    }

    /// Sorts the members from `first` on, which are written from `start` on.
    fn put_in_order(&mut self, text: &[u8], first: usize, start: usize, out: &mut Vec<u8>) {
        self.sort(text, first);
        self.spare_bytes.clear();
        for index in first..self.list.len() {
            if !self.is_repeated(text, index) {
                self.spare_bytes.extend_from_slice(self.list[index].value.span.of(out));
            }
        }
        out.truncate(start);
        out.extend_from_slice(&self.spare_bytes);
    }

    fn write_array(&mut self, walker: &mut Walker, out: &mut Vec<u8>) -> Result<(), Fault> {
        let start = out.len();
        out.push(b'[');
        walker.array(|walker| {
            self.write_value(walker, out)?;
            out.push(b',');
            Ok(true)
        })?;
        close(b']', start, out);
        Ok(())
    }

    /// Events of a kind have the same members in the same order, so what sorted the last one mostly sorts this one.
    fn arrange_as_last_time(&mut self) {
        if self.last_order.len() == self.list.len() {
            self.spare_list.clear();
            self.spare_list.extend(self.last_order.iter().map(|place| self.list[*place]));
            std::mem::swap(&mut self.list, &mut self.spare_list);
        }
    }

    /// By key, then by place, so that the last of a repeated key is the last in the text.
    fn sort(&mut self, text: &[u8], first: usize) {
        let keys = &self.keys;
        self.list[first..]
            .sort_unstable_by(|one, other| compare(text, keys, one, other).then(one.place.cmp(&other.place)));
    }

    /// Whether a member has the same key as the one after it.
    fn is_repeated(&self, text: &[u8], index: usize) -> bool {
        let next = self.list.get(index + 1);
        next.is_some_and(|next| compare(text, &self.keys, &self.list[index], next) == Ordering::Equal)
    }
}

/// Ends what was opened at `start` and has a comma after each part.
fn close(bracket: u8, start: usize, out: &mut Vec<u8>) {
    if out.len() > start + 1 {
        out.pop();
    }
    out.push(bracket);
}

fn key<'a>(text: &'a [u8], keys: &'a [u8], member: &Member) -> &'a [u8] {
    member.key.of(if member.raw.has_escapes { keys } else { text })
}

fn compare(text: &[u8], keys: &[u8], one: &Member, other: &Member) -> Ordering {
    // UTF-8 sorts as code points do, so bytes may be compared.
    one.prefix.cmp(&other.prefix).then_with(|| key(text, keys, one).cmp(key(text, keys, other)))
}

/// The first eight bytes of a key as a number that sorts as they do; shorter keys are filled up with zeros.
pub fn prefix(text: &[u8], key: Span) -> u64 {
    let len = key.end - key.start;
    match text[key.start..].first_chunk() {
        Some(bytes) => {
            let beyond_key = u64::MAX.checked_shr(8 * len as u32).unwrap_or(0);
            u64::from_be_bytes(*bytes) & !beyond_key
        }
        // Too near the end of the text to read eight bytes at once.
        None => (0..8)
            .fold(0, |prefix, at| prefix << 8 | u64::from(if at < len { text[key.start + at] } else { 0 })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        let mut out = Vec::new();
        Members::default().write_value(&mut Walker::new(text.as_bytes()), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn keys_are_sorted_by_code_point_at_every_level() {
        assert_eq!(
            canonical(r#"{"b":1,"a":{"z":[{"y":1,"x":2}],"é":3,"B":4}}"#),
            r#"{"a":{"B":4,"z":[{"x":2,"y":1}],"é":3},"b":1}"#
        );
        // U+FFFF comes before U+1F600, though not in UTF-16.
        assert_eq!(canonical("{\"\u{1F600}\":1,\"\u{FFFF}\":2}"), "{\"\u{FFFF}\":2,\"\u{1F600}\":1}");
        assert_eq!(
            canonical(r#"{"abcdefgh2":1,"abcdefgh1":2,"abcdefgh":3,"abcdefgh\u0000":4}"#),
            r#"{"abcdefgh":3,"abcdefgh\u0000":4,"abcdefgh1":2,"abcdefgh2":1}"#
        );
    }

    #[test]
    fn the_last_of_a_repeated_key_wins() {
        assert_eq!(canonical(r#"{"a":1,"b":2,"\u0061":3}"#), r#"{"a":3,"b":2}"#);
        assert_eq!(canonical(r#"{"x":{"a":1,"a":[2]},"x":{"c":1,"c":2}}"#), r#"{"x":{"c":2}}"#);
    }

    #[test]
    fn white_space_goes_and_scalars_are_rewritten() {
        assert_eq!(
            canonical(" { \"a\" : [ 1.50 , -0 , \"\\/\" , { } , [ ] , true ] } "),
            r#"{"a":[1.5,0,"/",{},[],true]}"#
        );
        assert_eq!(canonical(r#"{"\u0000\"":null}"#), r#"{"\u0000\"":null}"#);
        assert_eq!(canonical("{}"), "{}");
    }
}
