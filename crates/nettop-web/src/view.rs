//! The tables of the views as JSON and CSV, made of their columns: a new view, or a new column, comes here by itself.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use hyper::StatusCode;
use nettop_export::table;
use nettop_model::{
    format::Units,
    query::Query,
    snapshot::{Snapshot, Subject},
};
use nettop_views::{
    attention::Attention,
    filter,
    table::{Align, Cell, Enter, Head, Id, Listed, Listing, Meaning, Order},
    view::{self, CONNECTIONS, DESTINATIONS, SOURCES, VIEWS},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    reply::{self, Reply},
    route::Asked,
    web::Web,
};

/// Rows of a table at most.
pub const MOST_ROWS: usize = 1000;
/// Characters of a filter.
const LONGEST_FILTER: usize = 1000;

/// Which table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    view: usize,
    filter: String,
    order: Option<Order>,
    limit: usize,
}

impl Wish {
    /// Of the view of this name; what is not known of it is left out.
    pub fn new(name: &str, filter: &str, column: Option<usize>, reversed: bool, limit: usize) -> Option<Self> {
        let view = view::named(&name.to_lowercase())?;
        let filter = filter.chars().take(LONGEST_FILTER).collect();
        let order = column.map(|column| Order { column, reversed });
        Some(Self { view, filter, order, limit: limit.clamp(1, MOST_ROWS) })
    }

    fn listing(&self) -> &'static dyn Listing {
        VIEWS[self.view]
    }

    /// As the screen's filter line reads it.
    fn query(&self) -> Result<Option<Query>, String> {
        filter::parse(self.listing(), &self.filter).map_err(|error| error.what)
    }
}

/// What the page has to know of every view.
pub fn catalogue() -> Value {
    let view = |(at, (view, key)): (usize, (&&dyn Listing, &char))| json!({"name": view.name(), "key": key.to_string(), "about": view.about(), "filter": view::usual_filter(at)});
    VIEWS.iter().zip(view::KEYS).enumerate().map(view).collect()
}

/// Tables that somebody has, each made once for all who wish the same of a snapshot.
#[derive(Default)]
pub struct Tables(Mutex<Vec<Made>>);

struct Made {
    tick: u64,
    wish: Wish,
    text: Weak<str>,
}

impl Tables {
    /// The message with a table.
    pub fn get(&self, snapshot: &Snapshot, wish: &Wish) -> Arc<str> {
        let tick = snapshot.monitor.tick.count;
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|one| one.text.strong_count() > 0);
        let same = made.iter().find(|one| one.tick == tick && one.wish == *wish);
        if let Some(text) = same.and_then(|one| one.text.upgrade()) {
            return text;
        }
        let text: Arc<str> = message(snapshot, wish).into();
        made.push(Made { tick, wish: wish.clone(), text: Arc::downgrade(&text) });
        text
    }
}

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'static str,
    name: &'a str,
    many: &'a str,
    filter: &'a str,
    /// Why the filter cannot be read; then nothing is filtered.
    error: Option<String>,
    /// What the rows are known by, so that countries can be drawn on a map.
    kind: &'static str,
    columns: Vec<Column>,
    order: Option<(usize, bool)>,
    rows: Vec<Row>,
    /// How many rows there are that pass; hidden by the filter; in no snapshot; not judged.
    passing: usize,
    hidden: usize,
    unlisted: u64,
    unjudged: usize,
}

#[derive(Serialize)]
struct Column {
    title: &'static str,
    help: &'static str,
    right: bool,
    sorts: bool,
    falls: bool,
    rank: u8,
    meaning: &'static str,
}

#[derive(Serialize)]
struct Row {
    /// What the row is known by, wherever it stands.
    key: String,
    /// The same as it is copied.
    id: String,
    cells: Vec<String>,
    /// By column, what a text means where that is not what the column's do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    means: Vec<(usize, &'static str)>,
}

fn message(snapshot: &Snapshot, wish: &Wish) -> String {
    let listing = wish.listing();
    let (query, error) = match wish.query() {
        Ok(query) => (query, None),
        Err(error) => (None, Some(error)),
    };
    let listed = listing.list(snapshot, query.as_ref(), wish.order);
    let heads = listing.heads();
    let rows: Vec<_> = (0..listed.len().min(wish.limit)).filter_map(|at| row(snapshot, &*listed, &heads, at)).collect();
    let (hidden, unlisted) = listed.hidden();
    let message = Message {
        r#type: "view",
        name: listing.name(),
        many: listing.many(),
        filter: &wish.filter,
        error,
        kind: listed.id(0).map_or("", |id| if matches!(id, Id::Country(_)) { "country" } else { "" }),
        columns: heads.iter().map(Column::of).collect(),
        order: wish.order.map(|order| (order.column, order.reversed)),
        rows,
        passing: listed.len(),
        hidden,
        unlisted,
        unjudged: listed.unjudged(),
    };
    serde_json::to_string(&message).unwrap_or_default()
}

impl Column {
    fn of(head: &Head) -> Self {
        let Head { title, help, rank, align, meaning, sorts, falls, .. } = *head;
        Self { title, help, right: align == Align::Right, sorts, falls, rank, meaning: word(meaning) }
    }
}

/// What a style sheet calls it.
const fn word(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Text => "text",
        Meaning::Label => "label",
        Meaning::Value => "value",
        Meaning::Dim => "dim",
        Meaning::Address => "address",
        Meaning::Bar => "bar",
        Meaning::Good => "good",
        Meaning::Warn => "warn",
        Meaning::Error => "error",
    }
}

/// Columns of a cell with a bar: the page draws the bar itself.
const OF_BAR: usize = 5;

fn row(snapshot: &Snapshot, listed: &dyn Listed, heads: &[Head], at: usize) -> Option<Row> {
    let id = listed.id(at)?;
    let attention = Attention::default();
    let cell = |head: &Head| Cell {
        now_ns: snapshot.meta.now_ns,
        packets: snapshot.traffic.packets,
        place: at + 1,
        width: if head.meaning == Meaning::Bar { OF_BAR } else { head.widths[2].into() },
        gateways: snapshot.gateways(),
        flags: false,
        numeric: false,
        units: Units::default(),
        attention: &attention,
    };
    let cells = heads.iter().enumerate().map(|(column, head)| listed.cell(at, column, &cell(head)).trim().into());
    let means = heads.iter().enumerate().filter_map(|(column, head)| {
        let meaning = listed.meaning(at, column, &cell(head));
        (meaning != head.meaning).then(|| (column, word(meaning)))
    });
    Some(Row { key: format!("{id:?}"), id: id.to_string(), cells: cells.collect(), means: means.collect() })
}

/// A row of a view, whatever its filter: what is known of it, and where it leads.
pub struct Opened {
    /// What it is known by.
    pub key: Id,
    /// Everything that the snapshot has of it.
    pub fields: Map<String, Value>,
    /// Where it leads.
    pub enter: Enter,
}

/// The row of this key; `None`: it is not listed any more.
pub fn open(snapshot: &Snapshot, name: &str, key: &str) -> Option<Opened> {
    let listing = VIEWS[view::named(&name.to_lowercase())?];
    let listed = listing.list(snapshot, None, None);
    let at = (0..listed.len()).find(|at| listed.id(*at).is_some_and(|id| format!("{id:?}") == key))?;
    Some(Opened { key: listed.id(at)?, fields: listed.fields(at), enter: listed.enter(at) })
}

/// Where something leads, as the page follows it: a view and its filter.
pub fn leads_to(enter: &Enter) -> Option<(&'static str, String)> {
    let name = |view: usize| VIEWS[view].name();
    match enter {
        Enter::Sources(filter) => Some((name(SOURCES), filter.clone())),
        Enter::Destinations(filter) => Some((name(DESTINATIONS), filter.clone())),
        Enter::Connections(filter) => Some((name(CONNECTIONS), filter.clone())),
        Enter::Detail(subject) => of_subject(subject),
        Enter::Alert(_) | Enter::Nowhere => None,
    }
}

fn of_subject(subject: &Subject) -> Option<(&'static str, String)> {
    let name = |view: usize| VIEWS[view].name();
    match subject {
        Subject::Source(ip) => Some((name(SOURCES), format!("ip:{ip}"))),
        Subject::Destination(ip) => Some((name(DESTINATIONS), format!("ip:{ip}"))),
        Subject::Prefix(prefix) => Some((name(SOURCES), format!("ip:{prefix}"))),
        Subject::Port(port) => Some((name(CONNECTIONS), format!("port:{port}"))),
        Subject::Process(pid) => Some((name(CONNECTIONS), format!("pid:{pid}"))),
        Subject::Connection(_) => None,
    }
}

/// `/api/v1/export.csv`: all that is known of the rows of a view that pass a filter.
pub fn csv(web: &Web, asked: &Asked) -> Reply {
    let (name, filter) = (asked.value("view").unwrap_or_default(), asked.value("filter").unwrap_or_default());
    let Some(wish) = Wish::new(&name, &filter, None, false, MOST_ROWS) else {
        let names = view::names().collect::<Vec<_>>().join(", ");
        return reply::refused(StatusCode::BAD_REQUEST, &format!("view is one of {names}"));
    };
    let query = match wish.query() {
        Ok(query) => query,
        Err(error) => return reply::refused(StatusCode::BAD_REQUEST, &format!("the filter cannot be read: {error}")),
    };
    let snapshot = web.snapshot();
    let listed = wish.listing().list(&snapshot, query.as_ref(), None);
    let rows: Vec<_> = (0..listed.len()).map(|at| listed.fields(at)).collect();
    let mut text = Vec::new();
    match table::of_maps(&rows, &mut text) {
        Ok(()) => reply::bytes(StatusCode::OK, "text/csv; charset=utf-8", text),
        Err(error) => reply::refused(StatusCode::INTERNAL_SERVER_ERROR, &format!("writing CSV: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use nettop_geo::CountryCode;
    use nettop_model::snapshot::{CountryRow, Places, Sums};

    use super::*;

    fn snapshot() -> Snapshot {
        let row = |code: &str, packets| CountryRow {
            country_code: CountryCode::parse(code).unwrap(),
            country: format!("<b>{code}</b>"),
            sums: Sums { ips: 1, packets, bytes: packets * 60, pps: 0.0, pps_60s: 0.0 },
        };
        let countries = vec![row("DE", 10), row("FR", 30)];
        Snapshot { places: Places { countries, ..Places::default() }, ..Snapshot::default() }
    }

    fn table(filter: &str, column: Option<usize>) -> Value {
        let wish = Wish::new("countries", filter, column, true, 10).unwrap();
        serde_json::from_str(&message(&snapshot(), &wish)).unwrap()
    }

    #[test]
    fn every_view_is_a_table_of_its_columns() {
        for (at, view) in VIEWS.iter().enumerate() {
            let wish = Wish::new(view.name(), "", None, false, 10).unwrap();
            let table: Value = serde_json::from_str(&message(&snapshot(), &wish)).unwrap();
            let titles: Vec<_> = view.heads().iter().map(|head| head.title).collect();
            let shown: Vec<_> = table["columns"].as_array().unwrap().iter().map(|column| &column["title"]).collect();
            assert_eq!(shown, titles, "{}", view.name());
            assert_eq!(catalogue()[at]["name"], view.name());
        }
        assert!(Wish::new("nowhere", "", None, false, 10).is_none());
    }

    #[test]
    fn rows_are_filtered_and_sorted_as_on_the_screen() {
        let firsts = |table: &Value| {
            let rows = table["rows"].as_array().unwrap().iter();
            rows.map(|row| row["id"].as_str().unwrap().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(firsts(&table("", None)), ["DE", "FR"]);
        assert_eq!(firsts(&table("", Some(2))), ["FR", "DE"]);
        let filtered = table("country:FR", None);
        assert_eq!(
            (firsts(&filtered), &filtered["hidden"], &filtered["kind"]),
            (vec!["FR".into()], &1.into(), &"country".into())
        );
        let wrong = table("packets>", None);
        assert!(wrong["error"].is_string() && wrong["rows"].as_array().unwrap().len() == 2, "{wrong}");
    }

    #[test]
    fn a_table_is_made_once_for_equal_wishes_of_a_snapshot() {
        let (tables, snapshot) = (Tables::default(), snapshot());
        let wish = |filter| Wish::new("countries", filter, None, false, 10).unwrap();
        let (one, other) = (tables.get(&snapshot, &wish("")), tables.get(&snapshot, &wish("")));
        assert!(Arc::ptr_eq(&one, &other));
        assert!(!Arc::ptr_eq(&one, &tables.get(&snapshot, &wish("DE"))));
        let mut later = snapshot.clone();
        later.monitor.tick.count += 1;
        assert!(!Arc::ptr_eq(&one, &tables.get(&later, &wish(""))));
    }

    #[test]
    fn a_row_is_opened_by_its_key_whatever_the_filter() {
        let (snapshot, table) = (snapshot(), table("country:FR", None));
        let opened = open(&snapshot, "Countries", table["rows"][0]["key"].as_str().unwrap()).unwrap();
        assert_eq!((opened.key.to_string().as_str(), &opened.fields["packets"]), ("FR", &30.into()));
        assert_eq!(leads_to(&opened.enter), Some(("Sources", "country:FR".into())));
        assert!(open(&snapshot, "Countries", "Country(XX)").is_none());
    }
}
