//! The keys and tables of the screen, as the files have them.

use nettop_model::query::{self, Query};
use nettop_tui::{
    action::ACTIONS,
    bindings::Clash,
    key::Key,
    preferences::{Preferences, column_name},
};
use nettop_views::{
    table::Listing,
    view::{self, VIEWS},
};

use super::{
    document::Document,
    document::{highest, origin},
};

/// What `files` say of the screen's keys and tables, each of which overrides those before.
///
/// # Errors
/// A value that cannot be, a column that there is not, a key with two meanings; with the place.
pub fn preferences(files: &[Document]) -> Result<Preferences, String> {
    let mut preferences = Preferences::default();
    for id in ACTIONS.iter().map(|action| action.id) {
        if let Some(texts) = highest(files, |tables| tables.keys.get(id)) {
            let keys: Result<Vec<Key>, _> = texts.0.iter().map(|text| text.parse()).collect();
            preferences.keys.bind(id, at(files, &format!("keys.{id}"), keys)?);
        }
    }
    for ((listing, view), table) in VIEWS.iter().zip(view::names()).zip(&mut preferences.tables) {
        let (heads, key) = (listing.heads(), |of: &str| format!("columns.{view}.{of}"));
        if let Some(names) = highest(files, |tables| tables.columns.get(&view)?.show.as_ref()) {
            at(files, &key("show"), table.show(&heads, &names.0))?;
        }
        for name in heads.iter().map(column_name) {
            if let Some(cells) = highest(files, |tables| tables.columns.get(&view)?.width.get(&name)) {
                at(files, &key(&format!("width.{name}")), table.set_width(&heads, &name, *cells))?;
            }
        }
        if let Some(chosen) = filter(files, &view, *listing)? {
            table.filter = chosen;
        }
        let sort = highest(files, |tables| tables.columns.get(&view)?.sort.as_ref());
        let reverse = highest(files, |tables| tables.columns.get(&view)?.reverse.as_ref());
        let sorted = table.begin_sorted(&heads, sort.map(String::as_str), reverse.is_some_and(|reverse| *reverse));
        at(files, &key("sort"), sorted)?;
    }
    preferences.keys.check().map_err(|clash| explain(clash, files))?;
    Ok(preferences)
}

/// The filter that a view is to begin with, which may be none; `None`: no file says so.
fn filter(files: &[Document], view: &str, listing: &dyn Listing) -> Result<Option<Option<Query>>, String> {
    let Some((file, text)) =
        files.iter().rev().find_map(|file| Some((file, file.tables.views.get(view)?.filter.as_ref()?)))
    else {
        return Ok(None);
    };
    let place = |error: query::Error| format!("{}: views.{view}.filter: {}", file.place_in(text, error.at), error.what);
    nettop_views::filter::parse(listing, text.get_ref()).map(Some).map_err(place)
}

/// The same, with the place of the key.
fn at<T>(files: &[Document], key: &str, result: Result<T, String>) -> Result<T, String> {
    result.map_err(|what| origin(files, key).map_or(String::new(), |place| format!("{place}: ")) + key + ": " + &what)
}

/// What is wrong with the keys, and where that was said.
fn explain(clash: Clash, files: &[Document]) -> String {
    let (ids, what) = match clash {
        Clash::Twice(key, one, other) => (
            [one, other],
            format!("the key {} has two meanings, {one} and {other}; give one of them another key", key.name()),
        ),
        Clash::NoWayOut => (["quit", "end"], "no key would end the screen; give quit or end one".to_string()),
    };
    let said = ids.iter().filter_map(|id| origin(files, &format!("keys.{id}")));
    format!("{}: {what}", said.collect::<Vec<_>>().join(" and "))
}
