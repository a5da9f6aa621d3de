//! Walks JSON text in one pass: where every part lies, and whether its bytes are canonical already.
//!
//! It accepts what orjson accepts, and builds no value: whoever walks an object or array says what becomes of each value. The text has to be UTF-8; bytes that are not are the caller's to refuse, and can do no harm here.

#![forbid(unsafe_code)]

use crate::numbers;

/// Deepest nesting that is looked into: the contract's limit for `too_deep`.
pub const MAX_DEPTH: u32 = 100;

/// Why a text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Syntax,
    TooDeep,
}

/// A half-open range of byte positions in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.start..self.end]
    }
}

/// A key of an object, as it stands in the text between its quotes.
#[derive(Clone, Copy, Debug)]
pub struct RawKey {
    pub span: Span,
    pub has_escapes: bool,
}

/// A value in the text; `canonical` when canonical JSON writes the same bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Value {
    pub span: Span,
    pub canonical: bool,
}

/// The counter of the contract, on any text: over `MAX_DEPTH` at some point?
pub fn is_too_deep(text: &[u8]) -> bool {
    let mut depth = 0_u32;
    let mut in_string = false;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => _ = bytes.next(),
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// A position in a text, and how deep it lies.
pub struct Walker<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
}

impl<'a> Walker<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self::within(text, 0)
    }

    /// Starts at a position of a text, so that spans stay positions of the whole text.
    pub fn within(text: &'a [u8], at: usize) -> Self {
        Self { text, at, depth: 0 }
    }

    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// First byte of the next value; 0 at the end of the text.
    pub fn first_byte(&mut self) -> u8 {
        self.skip_blanks();
        self.peek()
    }

    /// Nothing but white space may follow the outermost value.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.skip_blanks();
        if self.at == self.text.len() { Ok(()) } else { Err(Fault::Syntax) }
    }

    /// Reads one value. True when its bytes are canonical.
    pub fn value(&mut self) -> Result<bool, Fault> {
        match self.peek() {
            b'"' => Ok(self.string()? != Escapes::Other),
            b'{' => self.nested_object(),
            b'[' => self.array(Self::value),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    /// Reads one value, and says where it lies.
    // Results of one byte travel in a register; a span, put together here, need not wait for memory.
    #[inline]
    pub fn spanned_value(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        let canonical = self.value()?;
        Ok(Value { span: Span { start, end: self.at }, canonical })
    }

    /// Reads an object; at each value `read` is called, which has to walk it and says whether it is canonical. True when
    /// all between the braces is canonical but for the keys and their order.
    pub fn object(
        &mut self,
        mut read: impl FnMut(&mut Self, RawKey) -> Result<bool, Fault>,
    ) -> Result<bool, Fault> {
        self.enter()?;
        let mut canonical = self.no_blanks();
        if self.eat(b'}') {
            self.depth -= 1;
            return Ok(canonical);
        }
        loop {
            let start = self.at + 1;
            let escapes = self.string()?;
            let key =
                RawKey { span: Span { start, end: self.at - 1 }, has_escapes: escapes != Escapes::None };
            canonical &= self.no_blanks();
            if !self.eat(b':') {
                return Err(Fault::Syntax);
            }
            canonical &= self.no_blanks();
            canonical &= read(self, key)?;
            canonical &= self.no_blanks();
            if self.eat(b',') {
                canonical &= self.no_blanks();
            } else if self.eat(b'}') {
                self.depth -= 1;
                return Ok(canonical);
            } else {
                return Err(Fault::Syntax);
            }
        }
    }

    /// Reads an array as `object` does. True when its bytes are canonical.
    pub fn array(&mut self, mut read: impl FnMut(&mut Self) -> Result<bool, Fault>) -> Result<bool, Fault> {
        self.enter()?;
        let mut canonical = self.no_blanks();
        if self.eat(b']') {
            self.depth -= 1;
            return Ok(canonical);
        }
        loop {
            canonical &= read(self)?;
            canonical &= self.no_blanks();
            if self.eat(b',') {
                canonical &= self.no_blanks();
            } else if self.eat(b']') {
                self.depth -= 1;
                return Ok(canonical);
            } else {
                return Err(Fault::Syntax);
            }
        }
    }

    /// An object whose keys are escape-free and strictly ascending needs no rewriting.
    fn nested_object(&mut self) -> Result<bool, Fault> {
        let text = self.text;
        let mut last: Option<&[u8]> = None;
        let mut ordered = true;
        let canonical = self.object(|walker, raw| {
            let key = raw.span.of(text);
            ordered &= !raw.has_escapes && last.is_none_or(|last| last < key);
            last = Some(key);
            walker.value()
        })?;
        Ok(canonical & ordered)
    }

    fn enter(&mut self) -> Result<(), Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<bool, Fault> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Fault::Syntax);
        }
        self.at += word.len();
        Ok(true)
    }

    fn number(&mut self) -> Result<bool, Fault> {
        let token = numbers::token(&self.text[self.at..]).ok_or(Fault::Syntax)?;
        self.at += token.len;
        Ok(token.canonical)
    }

    // Inlined into keys and values: a call costs a tenth of all time here.
    #[inline(always)]
    fn string(&mut self) -> Result<Escapes, Fault> {
        if !self.eat(b'"') {
            return Err(Fault::Syntax);
        }
        let mut escapes = Escapes::None;
        loop {
            self.at += ordinary_bytes(&self.text[self.at..]);
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(escapes);
                }
                b'\\' => escapes = escapes.max(self.escape()?),
                // A bare control character, or the end of the text.
                _ => return Err(Fault::Syntax),
            }
        }
    }

    /// Reads one escape. Canonical JSON writes the short ones the same way, but for `\/`.
    fn escape(&mut self) -> Result<Escapes, Fault> {
        let kind = self.text.get(self.at + 1).copied().unwrap_or(0);
        match kind {
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' | b'/' => self.at += 2,
            b'u' => match self.utf16_unit(self.at)? {
                0xD800..0xDC00 => match self.utf16_unit(self.at + 6)? {
                    0xDC00..0xE000 => self.at += 12,
                    _ => return Err(Fault::Syntax),
                },
                0xDC00..0xE000 => return Err(Fault::Syntax),
                _ => self.at += 6,
            },
            _ => return Err(Fault::Syntax),
        }
        Ok(if matches!(kind, b'u' | b'/') { Escapes::Other } else { Escapes::Canonical })
    }

    /// The unit of the `\uXXXX` at a position.
    fn utf16_unit(&self, at: usize) -> Result<u32, Fault> {
        let digits = self.text.get(at..at + 6).and_then(|escape| escape.strip_prefix(b"\\u"));
        digits.ok_or(Fault::Syntax)?.iter().try_fold(0, |unit, digit| {
            let value = (*digit as char).to_digit(16).ok_or(Fault::Syntax)?;
            Ok(unit << 4 | value)
        })
    }

    fn peek(&self) -> u8 {
        // 0 stands for the end: as a byte it is valid nowhere in JSON.
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    fn no_blanks(&mut self) -> bool {
        let before = self.at;
        self.skip_blanks();
        self.at == before
    }

    fn skip_blanks(&mut self) {
        // The first comparison spares the others where there is no blank, which is nearly everywhere.
        while self.peek() <= b' ' && matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }
}

/// The escapes of a string, taken together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Escapes {
    None,
    Canonical,
    Other,
}

/// How many bytes stand before the first quote, backslash or control character (all of them when there is none).
fn ordinary_bytes(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(word) = text[at..].first_chunk() {
        let found = special_bytes(u64::from_le_bytes(*word));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + text[at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(text.len() - at)
}

/// The top bit of each special byte in a word; right up to the first one, which is the only one used.
/// (Bit Twiddling Hacks, "Determine if a word has a byte less than n".)
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero_bytes(word ^ (ONES * b'"' as u64));
    let backslash = zero_bytes(word ^ (ONES * b'\\' as u64));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & (ONES * 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<bool, Fault> {
        let mut walker = Walker::new(text.as_bytes());
        walker.first_byte();
        let canonical = walker.value()?;
        walker.end()?;
        Ok(canonical)
    }

    #[test]
    fn accepts_what_orjson_accepts() {
        for text in [
            "{}",
            "[]",
            " 1 ",
            "\"\"",
            "null",
            "{\"a\":[1,{\"b\":-0.5e3}]}",
            "\"\\ud83d\\ude00\"",
            "\"\\u0000\"",
        ] {
            assert!(read(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_what_orjson_refuses() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "\"",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1,]",
            "[1 2]",
            "{a:1}",
            "nul",
            "nulll",
            "NaN",
            "Infinity",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1e400",
            "0x10",
            "'a'",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"a\nb\"",
            "\"a\0b\"",
            "\u{feff}{}",
            "{} x",
            "{}\0",
            "1 2",
            "\u{a0}1",
            "{\"a\":1 \"b\":2}",
            "\"\\ud800\\",
            "\"\\",
            "\"\\u+123\"",
        ] {
            assert_eq!(read(text), Err(Fault::Syntax), "{text}");
        }
    }

    #[test]
    fn knows_canonical_bytes() {
        for text in [
            "{\"a\":1,\"b\":{\"c\":[1,2.5,\"x\\n\"]}}",
            "[]",
            "{}",
            "\"\\\"\\\\\"",
            "18446744073709551615",
            "-1",
        ] {
            assert_eq!(read(text), Ok(true), "{text}");
        }
        for text in [
            "{\"b\":1,\"a\":2}",
            "{\"a\":1,\"a\":2}",
            "{\"a\": 1}",
            "[1, 2]",
            "\"\\/\"",
            "\"\\u0041\"",
            "1.50",
            "-0",
            "1e2",
        ] {
            assert_eq!(read(text), Ok(false), "{text}");
        }
    }

    #[test]
    fn nesting_stops_at_the_limit() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(read(&nested(100)), Ok(true));
        assert_eq!(read(&nested(101)), Err(Fault::TooDeep));
        assert!(!is_too_deep(nested(100).as_bytes()));
        assert!(is_too_deep(nested(101).as_bytes()));
    }

    #[test]
    fn the_depth_counter_needs_no_valid_json() {
        let deep = "[".repeat(101);
        assert!(is_too_deep(format!("nonsense ]]] {deep}").as_bytes()));
        assert!(!is_too_deep(format!("\"{deep}\"").as_bytes()));
        assert!(!is_too_deep(format!("\"\\\"{deep}").as_bytes()));
        assert!(is_too_deep(format!("\"\\\\\"{deep}").as_bytes()));
        assert!(is_too_deep(format!("\\\"\"{deep}").as_bytes()));
    }

    #[test]
    fn finds_the_first_special_byte_at_every_position() {
        for length in 0..40 {
            for special in [b'"', b'\\', 0, 0x1F] {
                let mut text = vec![b'a'; length];
                text.push(special);
                text.extend_from_slice("é\u{7f}!\"".as_bytes());
                assert_eq!(ordinary_bytes(&text), length);
            }
            assert_eq!(ordinary_bytes(&vec![0x80; length]), length);
        }
    }
}
