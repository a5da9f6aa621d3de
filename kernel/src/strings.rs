//! JSON strings: undoing the escapes of one, and writing one as orjson does.
//!
//! What comes in lay between the quotes of a string that `json::Walker` has accepted, so every escape is whole.

#![forbid(unsafe_code)]

/// Appends the string that is meant, as UTF-8.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    for_each_part(raw, |part| match part {
        Part::Plain(bytes) => out.extend_from_slice(bytes),
        Part::Escaped(character) => push_utf8(character, out),
    });
}

/// Appends the canonical form of a raw string, quotes included.
pub fn write_canonical(raw: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for_each_part(raw, |part| match part {
        Part::Plain(bytes) => out.extend_from_slice(bytes),
        Part::Escaped(character) => push_escaped(character, out),
    });
    out.push(b'"');
}

/// Appends the canonical form of a string without escapes, quotes included.
pub fn write_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' | 0..0x20 => push_escaped(char::from(*byte), out),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

enum Part<'a> {
    Plain(&'a [u8]),
    Escaped(char),
}

fn for_each_part(raw: &[u8], mut visit: impl FnMut(Part)) {
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        visit(Part::Plain(&rest[..at]));
        let (character, len) = escape(&rest[at..]);
        visit(Part::Escaped(character));
        rest = &rest[at + len..];
    }
    visit(Part::Plain(rest));
}

/// The character that an escape stands for, and the escape's length.
fn escape(text: &[u8]) -> (char, usize) {
    match text[1] {
        b'u' => unicode_escape(text),
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        itself => (char::from(itself), 2),
    }
}

fn unicode_escape(text: &[u8]) -> (char, usize) {
    let unit = utf16_unit(&text[2..6]);
    let (code, len) = match unit {
        0xD800..0xDC00 => (0x10000 + ((unit - 0xD800) << 10) + (utf16_unit(&text[8..12]) - 0xDC00), 12),
        _ => (unit, 6),
    };
    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), len)
}

fn utf16_unit(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |unit, digit| unit << 4 | char::from(*digit).to_digit(16).unwrap_or(0))
}

fn push_escaped(character: char, out: &mut Vec<u8>) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\0'..' ' => out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes()),
        _ => push_utf8(character, out),
    }
}

fn push_utf8(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(raw: &str) -> String {
        let mut out = Vec::new();
        unescape(raw.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn canonical(raw: &str) -> String {
        let mut out = Vec::new();
        write_canonical(raw.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_become_characters() {
        assert_eq!(unescaped("a\\/b\\\\\\\"\\u0041\\ud83d\\uDE00é"), "a/b\\\"A😀é");
        assert_eq!(unescaped("\\b\\f\\n\\r\\t\\u0000"), "\u{8}\u{c}\n\r\t\0");
    }

    #[test]
    fn canonical_strings_use_the_shortest_escapes() {
        assert_eq!(canonical("\\u0008\\u000a\\u001F\\u007f\\/\\u2028"), "\"\\b\\n\\u001f\u{7f}/\u{2028}\"");
        assert_eq!(canonical("\\u0022\\u005c\\\\"), "\"\\\"\\\\\\\\\"");
    }

    #[test]
    fn quoting_escapes_what_has_to_be() {
        let mut out = Vec::new();
        write_quoted("a\"\\\u{1}\né".as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"\\\\\\u0001\\né\"");
    }
}
