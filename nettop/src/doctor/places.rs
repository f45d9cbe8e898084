//! Where addresses are looked up.

use nettop_geo::{Database, Watcher};

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
    let built = built.as_ref().map_or(String::new(), |built| format!(" of {built}"));
    format!("{name}{built}, {rows} rows")
}
