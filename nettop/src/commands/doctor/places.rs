//! Where addresses are looked up.

use nettop_geo::{Database, Watcher};
use time::{Date, OffsetDateTime, macros::format_description};

use super::Finding;

/// Which databases a monitor would use, of when they are, and what is wrong with them.
pub fn databases() -> Finding {
    let remedy = "mend the file, or name another with --location-db; `nettop update-db` makes a new one";
    let watcher = match Watcher::open(&[]) {
        Ok(watcher) => watcher,
        Err(error) => return Finding::failed(&error, remedy),
    };
    let mut problems = watcher.problems();
    let geo = watcher.current();
    let bad = geo.databases().iter().filter(|database| database.bad_rows > 0);
    problems.extend(bad.map(|database| format!("{}: {}", database.name, database.problems.join("; "))));
    if problems.is_empty() {
        Finding::good(geo.databases().iter().map(describe).collect::<Vec<_>>().join(", then "))
    } else {
        Finding::missing(problems.join("; "), remedy)
    }
}

fn describe(Database { name, rows, built, .. }: &Database) -> String {
    let built = built.as_ref().map_or(String::new(), |built| match age(built, OffsetDateTime::now_utc().date()) {
        Some(days) => format!(" of {built} ({days} days old)"),
        None => format!(" of {built}"),
    });
    format!("{name}{built}, {rows} rows")
}

/// Days since a date; `None`: it is none, or in the future.
fn age(date: &str, today: Date) -> Option<u64> {
    let date = Date::parse(date, format_description!("[year]-[month]-[day]")).ok()?;
    u64::try_from((today - date).whole_days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_date_is_in_days() {
        let today = Date::from_ordinal_date(2026, 60).unwrap();
        for (date, days) in [
            ("2026-03-01", Some(0)),
            ("2026-02-27", Some(2)),
            ("2025-03-01", Some(365)),
            ("2026-03-02", None),
            ("?", None),
        ] {
            assert_eq!(age(date, today), days, "{date}");
        }
    }
}
