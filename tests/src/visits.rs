//! What a running nettop tells of those who are in logs.

use serde_json::Value;

use crate::{monitor::Monitor, program};

/// The group `visits`, as it is now.
pub fn visits(monitor: &Monitor) -> Value {
    monitor.groups(&["visits"])["visits"].take()
}

/// The row of an address; null: there is none.
pub fn of(visits: &Value, ip: &str) -> Value {
    let rows = visits["rows"].as_array().cloned().unwrap_or_default();
    rows.into_iter().find(|row| row["ip"] == ip).unwrap_or_default()
}

/// Whether so many files are followed.
pub fn follows(visits: &Value, files: usize) -> bool {
    visits["files"].as_array().is_some_and(|followed| followed.len() == files)
}

/// The first visits of which something holds; in each of them every line is somewhere.
#[track_caller]
pub fn wait_for(monitor: &Monitor, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let found = program::wait_for(|| {
        last = visits(monitor);
        if last.is_object() {
            assert_eq!(last["accounting"]["holds"], true, "{last}");
        }
        condition(&last).then(|| last.clone())
    });
    found.unwrap_or_else(|| panic!("never {what}: {last:#}\n{}", monitor.snapshot()["degraded"]))
}
