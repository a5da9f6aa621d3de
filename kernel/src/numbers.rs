//! JSON numbers, as orjson reads and writes them.

#![forbid(unsafe_code)]

/// A number at the start of a text.
pub struct Token {
    pub len: usize,
    pub canonical: bool,
}

/// What a number is once read: integers within 64 bits stay integers, all others become the nearest double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Integer(i128),
    Float(f64),
}

/// Decimal digits that any double keeps, so that the shortest form of such a number is the number itself.
const EXACT_DIGITS: usize = 15;
/// Fewer digits than this never overflow 64 bits, nor (without an exponent) a double.
const SAFE_DIGITS: usize = 18;

/// Reads the number that a text begins with; none where there is none, or where it is too large for a double.
pub fn token(text: &[u8]) -> Option<Token> {
    let minus = usize::from(text.first() == Some(&b'-'));
    let whole = digits(&text[minus..]);
    if whole == 0 || (whole > 1 && text[minus] == b'0') {
        return None;
    }
    let whole_end = minus + whole;
    let fraction_end = match text.get(whole_end) {
        Some(b'.') => match digits(&text[whole_end + 1..]) {
            0 => return None,
            count => whole_end + 1 + count,
        },
        _ => whole_end,
    };
    let len = match text.get(fraction_end) {
        Some(b'e' | b'E') => exponent_end(text, fraction_end)?,
        _ => fraction_end,
    };
    let token = &text[..len];
    let canonical = if len == whole_end && whole <= SAFE_DIGITS {
        token != b"-0"
    } else if len == fraction_end && len <= EXACT_DIGITS + 1 {
        is_shortest(&text[minus..whole_end], &text[whole_end + 1..len])
    } else {
        match parse(token) {
            Number::Integer(_) => true,
            Number::Float(value) if value.is_finite() => false,
            Number::Float(_) => return None,
        }
    };
    Some(Token { len, canonical })
}

/// Reads a whole token; a float too large for a double is infinite.
pub fn parse(token: &[u8]) -> Number {
    let text = str::from_utf8(token).unwrap_or_default();
    let integral = !token.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    match text.parse() {
        Ok(value) if integral && (i64::MIN.into()..=u64::MAX.into()).contains(&value) => {
            Number::Integer(value)
        }
        _ => Number::Float(text.parse().unwrap_or(f64::INFINITY)),
    }
}

/// Writes a token as orjson would after reading it.
pub fn write_canonical(token: &[u8], out: &mut Vec<u8>) {
    match parse(token) {
        Number::Integer(0) => out.push(b'0'),
        Number::Integer(_) => out.extend_from_slice(token),
        Number::Float(value) => out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes()),
    }
}

/// Whether `whole.fraction`, of at most `EXACT_DIGITS` digits, is what a float printer gives back.
fn is_shortest(whole: &[u8], fraction: &[u8]) -> bool {
    // Below 0.1 the printer may choose an exponent; a last zero is dropped, but for the one in `1.0`.
    let [first, .., last] = fraction else { return whole != b"0" || fraction != b"0" };
    (whole != b"0" || *first != b'0') && *last != b'0'
}

fn exponent_end(text: &[u8], at: usize) -> Option<usize> {
    let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
    let count = digits(&text[at + 1 + sign..]);
    (count > 0).then_some(at + 1 + sign + count)
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(token: &str) -> String {
        let mut out = Vec::new();
        write_canonical(token.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn writes_numbers_as_orjson_does() {
        for (token, expected) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("1.50", "1.5"),
            ("1e2", "100.0"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "1.8446744073709552e+19"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("-9223372036854775809", "-9.223372036854776e+18"),
            ("1e16", "1e+16"),
            ("1e-5", "0.00001"),
            ("1e-400", "0.0"),
        ] {
            assert_eq!(canonical(token), expected, "{token}");
        }
    }

    #[test]
    fn a_token_called_canonical_is_written_as_it_is() {
        for token in [
            "0",
            "7",
            "-12",
            "0.5",
            "12.25",
            "1.0",
            "-1.0",
            "100.0",
            "99999999999999.9",
            "0.12345678901234",
            "0.0",
            "0.01",
            "0.00001",
            "123456789012345678",
            "1234567890123456789",
        ] {
            let found = super::token(token.as_bytes()).unwrap();
            assert_eq!(found.len, token.len());
            assert!(!found.canonical || canonical(token) == token, "{token}");
        }
    }

    #[test]
    fn a_number_ends_where_it_ends() {
        for (text, len) in [("1,", 1), ("-1.5e+3]", 7), ("0]", 1), ("1e5}", 3)] {
            assert_eq!(token(text.as_bytes()).unwrap().len, len, "{text}");
        }
        for text in ["", "-", "00", "1.", "1.e5", "1e", "1e400", "-1e999999999999999999999"] {
            assert!(token(text.as_bytes()).is_none(), "{text}");
        }
    }
}
