//! Times as logs write them, as Unix nanoseconds.
//!
//! By hand, and not by a crate: logs have seven forms of which none is one of a standard alone, some without a year or a zone, and a line of an access log
//! costs a third of a microsecond in all; parsers that take a description of a format cost as much for the time alone.

const SECOND: i128 = 1_000_000_000;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// So far ahead of the clock a time of a log without a year may be.
const AHEAD_S: i64 = 86_400;

/// Any of these forms: `06/Feb/2009:12:14:14.655 +0100`, ISO 8601, and seconds since 1970 with a fraction.
pub fn any(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    match bytes {
        [_, _, b'/', ..] | [_, b'/', ..] => common(text),
        [_, _, _, _, b'-', ..] => iso(text),
        [_, _, _, _, b'/', ..] => iso(&text.replace('/', "-")),
        _ => epoch(text),
    }
}

/// `06/Feb/2009:12:14:14 +0100`, with milliseconds or without a zone, too, which then is taken to be UTC.
pub fn common(text: &str) -> Option<u64> {
    if let Some(at_ns) = fixed(text.as_bytes()) {
        return Some(at_ns);
    }
    let (day, rest) = text.split_once('/')?;
    let (month, rest) = rest.split_once('/')?;
    let (year, rest) = rest.split_once(':')?;
    let (clock, zone) = rest.split_once(' ').unwrap_or((rest, ""));
    let (month, day) = match month_named(month) {
        Some(month) => (month, number(day)?),
        // `02/06/2009`: America has the month first.
        None => (number(day)?, number(month)?),
    };
    unix(days(number(year)?, month, day)?, clock, offset(zone)?)
}

/// Exactly `06/Feb/2009:12:14:14 +0100`, which nearly all lines have.
fn fixed(text: &[u8]) -> Option<u64> {
    let text: &[u8; 26] = text.try_into().ok()?;
    let two = |at: usize| {
        let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
    };
    let is_so = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')]
        .iter()
        .all(|(at, byte)| text[*at] == *byte);
    let sign = match text[21] {
        b'+' if is_so => 1,
        b'-' if is_so => -1,
        _ => return None,
    };
    let month = MONTHS.iter().position(|month| month.as_bytes() == &text[3..6])? as i64 + 1;
    let days = days(two(7)? * 100 + two(9)?, month, two(0)?)?;
    let (hours, minutes, seconds) = (two(12)?, two(15)?, two(18)?);
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let offset_s = sign * (two(22)? * 3600 + two(24)? * 60);
    let all = days * 86_400 + hours * 3600 + minutes * 60 + seconds - offset_s;
    u64::try_from(all).ok()?.checked_mul(SECOND as u64)
}

/// `2009-02-06T12:14:14.655+01:00`, with a blank instead of the `T`, too; without a zone it is taken to be UTC.
pub fn iso(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once(['T', ' '])?;
    let mut parts = date.splitn(3, '-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let at = rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(at);
    unix(days(year, month, day)?, clock, offset(zone.trim_start())?)
}

/// `Feb  6 12:14:14`, of the year that is nearest to now, but no more than a day ahead; `zone_s` is how far the clock of the wall is ahead of UTC.
pub fn bsd(month: &str, day: &str, clock: &str, now_ns: u64, zone_s: i64) -> Option<u64> {
    let (month, day) = (month_named(month)?, number(day)?);
    let now_s = (now_ns / 1_000_000_000) as i64 + zone_s;
    let this_year = year_of(now_s.div_euclid(86_400));
    let in_year = |year: i64| Some((days(year, month, day)?, unix(days(year, month, day)?, clock, zone_s)?));
    let candidates = [this_year + 1, this_year, this_year - 1].into_iter().filter_map(in_year);
    let in_time =
        candidates.filter(|(_, ns)| (*ns / 1_000_000_000) as i64 <= (now_ns / 1_000_000_000) as i64 + AHEAD_S);
    in_time.map(|(_, ns)| ns).next()
}

/// Seconds since 1970.
fn epoch(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    // Milliseconds, microseconds and nanoseconds are told by how many digits there are.
    let scale = match whole.len() {
        1..=11 => SECOND,
        12..=14 => 1_000_000,
        15..=17 => 1_000,
        18..=20 => 1,
        _ => return None,
    };
    let whole = i128::from(number(whole)?) * scale;
    let fraction = if scale == SECOND { nanoseconds(fraction)? } else { 0 };
    u64::try_from(whole + i128::from(fraction)).ok()
}

fn number(text: &str) -> Option<i64> {
    let is_one = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_one.then(|| text.bytes().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

/// A fraction of a second without its point, in nanoseconds.
fn nanoseconds(digits: &str) -> Option<i64> {
    if digits.is_empty() {
        return Some(0);
    }
    let kept = &digits[..digits.len().min(9)];
    let known = number(kept).filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(known * 10_i64.pow(9 - kept.len() as u32))
}

fn month_named(name: &str) -> Option<i64> {
    MONTHS.iter().position(|month| *month == name).map(|at| at as i64 + 1)
}

/// `+0100`, `+01:00`, `Z` or nothing, in seconds.
fn offset(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.as_bytes() {
        [] | [b'Z' | b'z', ..] => return Some(0),
        [b'+', ..] => (1, &zone[1..]),
        [b'-', ..] => (-1, &zone[1..]),
        _ => return None,
    };
    let digits = digits.get(..5).filter(|text| text.contains(':')).or(digits.get(..4).or(digits.get(..2)))?;
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (number(hours)?, number(minutes)?),
        None => (number(digits.get(..2)?)?, digits.get(2..4).map_or(Some(0), number)?),
    };
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Days from 1970 to a date of the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// The year of a day since 1970.
fn year_of(day: i64) -> i64 {
    let guess = 1970 + day.div_euclid(366);
    (guess..).take_while(|year| days(*year, 1, 1).is_some_and(|first| first <= day)).last().unwrap_or(guess)
}

fn unix(days: i64, clock: &str, offset_s: i64) -> Option<u64> {
    let mut parts = clock.splitn(3, ':');
    let (hours, minutes) = (number(parts.next()?)?, number(parts.next()?)?);
    let seconds = parts.next()?;
    let (seconds, fraction) = seconds.split_once(['.', ',']).unwrap_or((seconds, ""));
    let seconds = number(seconds)?;
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let all = days * 86_400 + hours * 3600 + minutes * 60 + seconds - offset_s;
    u64::try_from(i128::from(all) * SECOND + i128::from(nanoseconds(fraction)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form() {
        // 2009-02-06T11:14:14Z
        const AT: u64 = 1_233_918_854_000_000_000;
        for (text, expected) in [
            ("06/Feb/2009:12:14:14 +0100", Some(AT)),
            ("02/06/2009:11:14:14 -0000", Some(AT)),
            ("06/Feb/2009:11:14:14.655", Some(AT + 655_000_000)),
            ("2009-02-06T12:14:14+01:00", Some(AT)),
            ("2009-02-06T11:14:14.000001Z", Some(AT + 1000)),
            ("2009-02-06 11:14:14", Some(AT)),
            ("2009-02-06T05:44:14-05:30", Some(AT)),
            ("2009/02/06 11:14:14", Some(AT)),
            ("1233918854", Some(AT)),
            ("1233918854.25", Some(AT + 250_000_000)),
            ("1233918854000", Some(AT)),
            ("1969-12-31T00:00:00Z", None),
            ("06/Foo/2009:12:14:14 +0100", None),
            ("2009-13-06T11:14:14Z", None),
            ("2009-02-06T24:14:14Z", None),
            ("06/Feb/2009:12:14 +0100", None),
            ("-", None),
            ("", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(any(text), expected, "{text:?}");
        }
        let now = AT;
        for (month, day, clock, expected) in [
            ("Feb", "6", "11:14:14", Some(AT)),
            ("Feb", "7", "11:14:13", Some(AT + 86_399_000_000_000)),
            ("Feb", "8", "11:14:14", any("2008-02-08T11:14:14Z")),
            ("Dec", "31", "23:59:59", any("2008-12-31T23:59:59Z")),
            ("Feb", "32", "11:14:14", None),
        ] {
            assert_eq!(bsd(month, day, clock, now, 0), expected, "{month} {day}");
        }
        assert_eq!(bsd("Feb", "6", "12:14:14", now, 3600), Some(AT));
        let newyear = any("2009-01-01T00:00:30Z").expect("a time");
        assert_eq!(bsd("Dec", "31", "23:59:59", newyear, 0), any("2008-12-31T23:59:59Z"));
        assert_eq!(bsd("Jan", "1", "00:00:10", newyear - 60_000_000_000, 0), any("2009-01-01T00:00:10Z"));
    }
}
