//! The moments that the four candidates claim: every form of the contract, and nothing else.

#![forbid(unsafe_code)]

use crate::calendar::{self, MICROS_PER_MINUTE, MICROS_PER_SECOND};

/// What a candidate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Null or blank.
    Absent,
    /// Present, in none of the forms.
    Unreadable,
    /// Microseconds since 1970 in UTC.
    At(i64),
    /// A time that 64 bits of microseconds do not hold, in this year.
    FarIn { year: i64 },
}

impl From<Option<i64>> for Claim {
    fn from(micros: Option<i64>) -> Self {
        micros.map_or(Claim::Unreadable, Claim::At)
    }
}

/// Below each limit, by magnitude, a number counts seconds, milliseconds, microseconds; from the last one on, nanoseconds.
const SECONDS_BELOW: u64 = 100_000_000_000;
const MILLIS_BELOW: u64 = 100_000_000_000_000;
const MICROS_BELOW: u64 = 100_000_000_000_000_000;

/// Reads a string; `day_first` decides how `5/8/2024` is meant.
pub fn of_text(text: &[u8], day_first: bool) -> Claim {
    let text = trim(text);
    if text.is_empty() {
        return Claim::Absent;
    }
    iso(text)
        .or_else(|| number(text))
        .or_else(|| slashed(text, day_first))
        .or_else(|| wmi(text))
        .map_or_else(|| ms_date(text).unwrap_or(Claim::Unreadable), Claim::At)
}

/// Reads an integer by its size.
pub fn of_integer(number: i64) -> i64 {
    match number.unsigned_abs() {
        0..SECONDS_BELOW => number * 1_000_000,
        SECONDS_BELOW..MILLIS_BELOW => number * 1_000,
        MILLIS_BELOW..MICROS_BELOW => number,
        _ => of_nanos(number),
    }
}

/// Reads a float by its size: its exact value, rounded to a microsecond, half to even.
pub fn of_float(number: f64) -> Option<i64> {
    let size = number.abs();
    if size < SECONDS_BELOW as f64 {
        Some(rounded(number, 1_000_000))
    } else if size < MILLIS_BELOW as f64 {
        Some(rounded(number, 1_000))
    } else if size < MICROS_BELOW as f64 {
        Some(rounded(number, 1))
    } else if size < -(i64::MIN as f64) {
        // Doubles of this size are whole numbers, so nothing is lost on the way to nanoseconds.
        Some(half_even(i128::from(number as i64), 1_000))
    } else {
        None
    }
}

/// Reads nanoseconds, floored to a microsecond.
pub fn of_nanos(nanos: i64) -> i64 {
    nanos.div_euclid(1_000)
}

/// Without white space (Unicode's White_Space) around it.
pub fn trim(text: &[u8]) -> &[u8] {
    let outer = |byte: Option<&u8>| byte.is_none_or(|byte| byte.is_ascii_graphic());
    if outer(text.first()) && outer(text.last()) {
        return text;
    }
    str::from_utf8(text).map_or(text, |text| text.trim().as_bytes())
}

/// `number` × `scale`, exact, then rounded.
fn rounded(number: f64, scale: i128) -> i64 {
    let bits = number.to_bits();
    let exponent = (bits >> 52 & 0x7FF) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, power) = match exponent {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, exponent - 1075),
    };
    let product = i128::from(mantissa) * scale * if number < 0.0 { -1 } else { 1 };
    match power {
        // Under 2⁷³ · 2⁻¹⁰⁰: far less than half.
        ..-100 => 0,
        -100..0 => half_even(product, 1 << -power),
        _ => (product << power) as i64,
    }
}

fn half_even(dividend: i128, divisor: i128) -> i64 {
    let (floor, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    let up = rest * 2 > divisor || (rest * 2 == divisor && floor % 2 != 0);
    (floor + i128::from(up)) as i64
}

/// `[+-]?` and up to 19 digits, or digits, a point, digits.
fn number(text: &[u8]) -> Option<i64> {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let whole = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = match &unsigned[whole..] {
        [] if (1..=19).contains(&whole) => return str::from_utf8(text).ok()?.parse().ok().map(of_integer),
        [b'.', fraction @ ..] => fraction,
        _ => return None,
    };
    let is_float = whole > 0 && !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit);
    is_float.then(|| str::from_utf8(text).ok()?.parse().ok().and_then(of_float))?
}

fn iso(text: &[u8]) -> Option<i64> {
    let mut text = Cursor(text);
    let year = text.digits(4)?;
    let extended = text.eat(b"-");
    let month = text.digits(2)?;
    text.require(b"-", extended)?;
    let midnight = calendar::midnight(year, month, text.digits(2)?)?;
    if text.ends() {
        // Eight digits alone are a number.
        return extended.then_some(midnight);
    }
    if !(text.eat(b"T") || text.eat(b"t") || (extended && text.eat(b" "))) {
        return None;
    }
    let hour = text.digits(2)?;
    text.require(b":", extended)?;
    let minute = text.digits(2)?;
    let has_seconds = if extended { text.eat(b":") } else { text.starts_with_digit() };
    let mut since_midnight =
        calendar::time_of_day(hour, minute, if has_seconds { text.digits(2)? } else { 0 })?;
    if has_seconds && (text.eat(b".") || text.eat(b",")) {
        since_midnight += text.fraction()?;
    }
    if text.ends() { Some(midnight + since_midnight) } else { Some(midnight + since_midnight - zone(text)?) }
}

/// Microseconds that local time is ahead of UTC: `Z`, `±HH`, `±HHMM`, `±HH:MM`.
fn zone(mut text: Cursor) -> Option<i64> {
    text.eat(b" ");
    if text.eat(b"Z") || text.eat(b"z") {
        return text.ends().then_some(0);
    }
    let sign = text.sign()?;
    let hour = text.digits(2)?;
    let minute = if text.ends() {
        0
    } else {
        text.eat(b":");
        text.digits(2)?
    };
    (text.ends() && hour <= 23 && minute <= 59).then_some(sign * (hour * 60 + minute) * MICROS_PER_MINUTE)
}

/// `5/8/2024` or `2024/5/8`, alone or with a time on a 12-hour or 24-hour clock.
fn slashed(text: &[u8], day_first: bool) -> Option<i64> {
    let mut text = Cursor(text);
    let (year, month, day) = if let Some(year) = text.digits(4) {
        text.require(b"/", true)?;
        let month = text.one_or_two_digits()?;
        text.require(b"/", true)?;
        (year, month, text.one_or_two_digits()?)
    } else {
        let first = text.one_or_two_digits()?;
        text.require(b"/", true)?;
        let second = text.one_or_two_digits()?;
        text.require(b"/", true)?;
        let (month, day) = if day_first { (second, first) } else { (first, second) };
        (text.digits(4)?, month, day)
    };
    let midnight = calendar::midnight(year, month, day)?;
    if text.ends() {
        return Some(midnight);
    }
    text.eat(b",");
    text.require(b" ", true)?;
    Some(midnight + clock_time(text)?)
}

/// `10:00[:00[.0]]`, with AM or PM (hour 1–12) or without (hour 0–23).
fn clock_time(mut text: Cursor) -> Option<i64> {
    let hour = text.one_or_two_digits()?;
    text.require(b":", true)?;
    let minute = text.digits(2)?;
    let (mut second, mut fraction) = (0, 0);
    if text.eat(b":") {
        second = text.digits(2)?;
        if text.eat(b".") {
            fraction = text.fraction()?;
        }
    }
    let hour = if text.ends() { hour } else { hour_of_half_day(hour, text)? };
    Some(calendar::time_of_day(hour, minute, second)? + fraction)
}

fn hour_of_half_day(hour: i64, mut text: Cursor) -> Option<i64> {
    // A blank, a no-break space or, as newer Windows versions write it, a narrow no-break space.
    _ = text.eat(b" ") || text.eat("\u{A0}".as_bytes()) || text.eat("\u{202F}".as_bytes());
    let noon = match text.0 {
        [b'A' | b'a', b'M' | b'm'] => 0,
        [b'P' | b'p', b'M' | b'm'] => 12,
        _ => return None,
    };
    (1..=12).contains(&hour).then_some(hour % 12 + noon)
}

/// `/Date(1715162400000)/` with an optional offset, which is display only.
fn ms_date(text: &[u8]) -> Option<Claim> {
    let mut text = Cursor(text.strip_prefix(b"/Date(")?.strip_suffix(b")/")?);
    let sign = if text.eat(b"-") { -1 } else { 1 };
    let (digits, rest) = text.0.split_at(text.count_digits(19)?);
    let micros = sign * str::from_utf8(digits).ok()?.parse::<i128>().ok()? * 1_000;
    text = Cursor(rest);
    if !text.ends() {
        text.sign()?;
        text.digits(4)?;
    }
    let claim =
        i64::try_from(micros).map_or_else(|_| Claim::FarIn { year: calendar::year(micros) }, Claim::At);
    text.ends().then_some(claim)
}

/// WMI: `20240508100000.123456+480`, local time and its offset in minutes.
fn wmi(text: &[u8]) -> Option<i64> {
    let mut text = Cursor(text);
    let midnight = calendar::midnight(text.digits(4)?, text.digits(2)?, text.digits(2)?)?;
    let since_midnight = calendar::time_of_day(text.digits(2)?, text.digits(2)?, text.digits(2)?)?;
    text.require(b".", true)?;
    let micros = text.digits(6)?;
    let offset = text.sign()? * text.digits(3)?;
    text.ends().then_some(midnight + since_midnight + micros - offset * MICROS_PER_MINUTE)
}

/// The part of a text that is still to be read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn ends(&self) -> bool {
        self.0.is_empty()
    }

    fn eat(&mut self, token: &[u8]) -> bool {
        match self.0.strip_prefix(token) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// None where a token is needed and not there.
    fn require(&mut self, token: &[u8], needed: bool) -> Option<()> {
        (!needed || self.eat(token)).then_some(())
    }

    fn starts_with_digit(&self) -> bool {
        self.0.first().is_some_and(u8::is_ascii_digit)
    }

    fn sign(&mut self) -> Option<i64> {
        if self.eat(b"+") {
            Some(1)
        } else if self.eat(b"-") {
            Some(-1)
        } else {
            None
        }
    }

    /// Exactly `count` digits, at most 18.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let value = digits.iter().try_fold(0, |value, digit| match digit {
            b'0'..=b'9' => Some(value * 10 + i64::from(digit - b'0')),
            _ => None,
        })?;
        self.0 = rest;
        Some(value)
    }

    fn digits_up_to(&mut self, most: usize) -> Option<i64> {
        self.digits(self.count_digits(most)?)
    }

    /// How many digits come next; none if there is none, or more than `most`.
    fn count_digits(&self, most: usize) -> Option<usize> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (1..=most).contains(&count).then_some(count)
    }

    fn one_or_two_digits(&mut self) -> Option<i64> {
        self.digits_up_to(2)
    }

    /// One to nine digits of a second, in microseconds; what is smaller is cut off.
    fn fraction(&mut self) -> Option<i64> {
        let before = self.0.len();
        let value = self.digits_up_to(9)?;
        let count = before - self.0.len();
        Some(value * 10_i64.pow(9 - count as u32) / (1_000_000_000 / MICROS_PER_SECOND))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAY_8: i64 = 1_715_126_400_000_000;
    const TEN: i64 = MAY_8 + 36_000_000_000;

    fn at(text: &str) -> Option<i64> {
        match of_text(text.as_bytes(), false) {
            Claim::At(micros) => Some(micros),
            _ => None,
        }
    }

    #[test]
    fn reads_every_form() {
        for (text, micros) in [
            ("2024-05-08", MAY_8),
            ("2024-05-08T10:00", TEN),
            ("2024-05-08 10:00:00", TEN),
            ("2024-05-08t10:00:00Z", TEN),
            ("20240508T1000", TEN),
            ("20240508T100000.5z", TEN + 500_000),
            ("2024-05-08T10:00:00,123456789", TEN + 123_456),
            ("2024-05-08T10:00 +05:30", TEN - 19_800_000_000),
            ("2024-05-08T10:00:00-08", TEN + 28_800_000_000),
            ("2024-05-08T10:00:00+0530", TEN - 19_800_000_000),
            ("\u{2003}2024-05-08\u{85}\t", MAY_8),
            ("1715162400", TEN),
            ("+1715162400000", TEN),
            ("1715162400000001", TEN + 1),
            ("1715162400000001999", TEN + 1),
            ("1715162400.5", TEN + 500_000),
            ("-1", -1_000_000),
            ("/Date(1715162400000)/", TEN),
            ("/Date(1715162400000+0530)/", TEN),
            ("20240508100000.123456+480", TEN + 123_456 - 28_800_000_000),
            ("5/8/2024", MAY_8),
            ("05/08/2024 10:00", TEN),
            ("5/8/2024, 10:00:00.25 am", TEN + 250_000),
            ("5/8/2024 10:00\u{202F}PM", TEN + 43_200_000_000),
            ("5/8/2024 12:00 AM", MAY_8),
            ("2024/5/8 10:00:00", TEN),
        ] {
            assert_eq!(at(text), Some(micros), "{text}");
        }
    }

    #[test]
    fn guesses_nothing() {
        for text in [
            "2024-5-8",
            "2024-05-08T10",
            "2024-05-08T24:00",
            "2024-05-08T10:00:60",
            "2024-02-30",
            "2024-W19-3",
            "2024-129",
            "2024-05-08T10:00.5",
            "2024-05-08T10:00:00.",
            "2024-05-08T10:00:00.1234567890",
            "2024-05-08Z",
            "2024-05-08T10:00:00 UTC",
            "2024-05-08T10:00:00+24",
            "2024-05-08T10:00:00+05:60",
            "2024-05-08T10:00:00 ",
            "2024-05-08T10:00  Z",
            "20240508T10:00",
            "2024-05-08T1000",
            "20240508 1000",
            "12345678901234567890",
            "9999999999999999999",
            "1e9",
            ".5",
            "5.",
            "+",
            "--1",
            "0x1",
            "/Date()/",
            "/Date(1)",
            "/Date(+1)/",
            "/Date(1+530)/",
            "20240508100000.123456",
            "20240508100000.12345+480",
            "20240508100000.123456+48",
            "5/8/24",
            "5/8/2024 24:00",
            "5/8/2024 13:00 PM",
            "5/8/2024 0:00 AM",
            "13/8/2024",
            "5/8/2024 10",
            "5/8/2024,10:00",
            "5-8-2024",
            "２０２４-05-08",
            "May 8, 2024",
            "null",
            "\u{200B}2024-05-08",
        ] {
            let trimmed = text.trim_end();
            let readable_without = text != trimmed && at(trimmed).is_some();
            assert!(at(text).is_none() || readable_without || text.ends_with("123456"), "{text}");
        }
    }

    #[test]
    fn the_year_of_a_far_time_is_known() {
        assert_eq!(of_text(b"/Date(9999999999999999999)/", false), Claim::FarIn { year: 316_889_355 });
        assert_eq!(of_text(b"/Date(-9999999999999999999+0000)/", false), Claim::FarIn { year: -316_885_416 });
    }

    #[test]
    fn blank_is_absent() {
        for text in ["", " ", "\u{3000}\u{A0}\n"] {
            assert_eq!(of_text(text.as_bytes(), false), Claim::Absent);
        }
    }

    #[test]
    fn day_first_is_a_setting() {
        assert_eq!(of_text(b"8/5/2024", true), Claim::At(MAY_8));
        assert_eq!(of_text(b"2024/5/8", true), Claim::At(MAY_8));
    }

    #[test]
    fn limits_belong_to_the_finer_unit() {
        assert_eq!(of_integer(99_999_999_999), 99_999_999_999_000_000);
        assert_eq!(of_integer(100_000_000_000), 100_000_000_000_000);
        assert_eq!(of_integer(-100_000_000_000_000), -100_000_000_000_000);
        assert_eq!(of_integer(-100_000_000_000_000_001), -100_000_000_000_001);
        assert_eq!(of_integer(i64::MIN), -9_223_372_036_854_776);
        assert_eq!(of_nanos(-1), -1);
    }

    #[test]
    fn floats_round_half_to_even_on_their_exact_value() {
        assert_eq!(of_float(0.0000005), Some(0)); // the double lies just below the half
        assert_eq!(of_float(2_f64.powi(-7)), Some(7812)); // 7812.5
        assert_eq!(of_float(3.0 * 2_f64.powi(-7)), Some(23438)); // 23437.5
        assert_eq!(of_float(-(2_f64.powi(-7))), Some(-7812));
        assert_eq!(of_float(5e-324), Some(0));
        assert_eq!(of_float(-0.0), Some(0));
        assert_eq!(of_float(1e17), Some(100_000_000_000_000));
        assert_eq!(of_float(9_223_372_036_854_775_808.0), None);
        assert_eq!(of_float(-9_223_372_036_854_775_808.0), None);
        assert_eq!(of_float(-9_223_372_036_854_774_784.0), Some(-9_223_372_036_854_775));
        assert_eq!(of_float(f64::INFINITY), None);
    }
}
