//! The proleptic Gregorian calendar, in microseconds since 1970.

#![forbid(unsafe_code)]

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
const MICROS_PER_DAY: i64 = 24 * 60 * MICROS_PER_MINUTE;

/// Start of a day; none for a day that does not exist, or lies before year 1, where ISO 8601 asks for an agreement.
pub fn midnight(year: i64, month: i64, day: i64) -> Option<i64> {
    let exists = year >= 1 && (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    exists.then(|| days_since_epoch(year, month, day) * MICROS_PER_DAY)
}

/// Time since midnight; none for hour 24 and second 60.
pub fn time_of_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    let exists = hour < 24 && minute < 60 && second < 60;
    exists.then_some((hour * 60 + minute) * MICROS_PER_MINUTE + second * MICROS_PER_SECOND)
}

/// Year of a moment; the year before 1 is 0.
pub fn year(micros: i128) -> i64 {
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": days counted from 1 March of year 0, in eras of 400 years.
    let days = micros.div_euclid(MICROS_PER_DAY.into()) as i64 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let is_january_or_february = day_of_year >= 306;
    era * 400 + year_of_era + i64::from(is_january_or_february)
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_each_other_through_ten_thousand_years() {
        let mut expected = midnight(1, 1, 1).unwrap();
        for year_number in 1..10_000 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(start) = midnight(year_number, month, day) {
                        assert_eq!(start, expected);
                        let end = start + MICROS_PER_DAY - 1;
                        assert_eq!((year(start.into()), year(end.into())), (year_number, year_number));
                        expected += MICROS_PER_DAY;
                    }
                }
            }
        }
        assert_eq!(midnight(1970, 1, 1), Some(0));
    }

    #[test]
    fn years_before_the_first_go_down() {
        let start = i128::from(midnight(1, 1, 1).unwrap());
        let leap_year = 366 * i128::from(MICROS_PER_DAY);
        assert_eq!((year(start), year(start - 1), year(start - leap_year - 1)), (1, 0, -1));
        assert_eq!(year(i64::MIN.into()), -290_308);
    }
}
