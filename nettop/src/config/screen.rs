//! The tables of keys and columns, as the screen wants them.

use nettop_tui::{bindings::Clash, key::Key, preferences::Preferences, view::VIEWS};

use super::{
    catalogue::{KEYS, view_of},
    origin::{Entry, Said},
};

/// What `entries` say of the screen's keys and tables.
///
/// # Errors
/// A value that cannot be, a column that there is not, a key with two meanings; with the place.
pub fn preferences(entries: &[Entry]) -> Result<Preferences, String> {
    let mut preferences = Preferences::default();
    for entry in entries {
        if let Some(id) = entry.key.strip_prefix(KEYS).and_then(|key| key.strip_prefix('.')) {
            let keys: Result<Vec<Key>, String> = texts(entry)?.iter().map(|text| at(entry, text.parse())).collect();
            preferences.keys.bind(id, keys?);
        }
    }
    for (view, table) in preferences.tables.iter_mut().enumerate() {
        let heads = VIEWS[view].heads();
        let of = |of: &str| entries.iter().find(|entry| view_of(&entry.key) == Some((view, of)));
        if let Some(entry) = of("show") {
            at(entry, table.show(&heads, &texts(entry)?))?;
        }
        let reverse = match of("reverse") {
            None => false,
            Some(entry) => match entry.said {
                Said::Switch(on) => on,
                _ => return at(entry, Err("it is either true or false".into())),
            },
        };
        let sort = of("sort");
        let name = match sort.map(|entry| (entry, &entry.said)) {
            None => None,
            Some((entry, Said::One(_))) => texts(entry)?.pop(),
            Some((entry, _)) => return at(entry, Err("it is the name of one column".into())),
        };
        let sorted = table.begin_sorted(&heads, name.as_deref(), reverse);
        if let Some(entry) = sort {
            at(entry, sorted)?;
        }
    }
    preferences.keys.check().map_err(|clash| explain(clash, entries))?;
    Ok(preferences)
}

/// The values of an entry, which come from a file, so that they are text.
fn texts(entry: &Entry) -> Result<Vec<String>, String> {
    match &entry.said {
        Said::Switch(_) => at(entry, Err("it takes a text, or a list of them".into())),
        said => Ok(said.values().iter().map(|value| value.to_string_lossy().into_owned()).collect()),
    }
}

/// The same, with the place.
fn at<T>(entry: &Entry, result: Result<T, String>) -> Result<T, String> {
    result.map_err(|what| format!("{}: {}: {what}", entry.origin, entry.key))
}

/// What is wrong with the keys, and where that was said.
fn explain(clash: Clash, entries: &[Entry]) -> String {
    let (ids, what) = match clash {
        Clash::Twice(key, one, other) => (
            [one, other],
            format!("the key {} has two meanings, {one} and {other}; give one of them another key", key.name()),
        ),
        Clash::NoWayOut => (["quit", "end"], "no key would end the screen; give quit or end one".to_string()),
    };
    let said = ids.iter().filter_map(|id| entries.iter().find(|entry| entry.key == format!("{KEYS}.{id}")));
    let places: Vec<_> = said.map(|entry| entry.origin.to_string()).collect();
    format!("{}: {what}", places.join(" and "))
}
