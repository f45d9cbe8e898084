//! The tables of the views, all of the same code: a table is rows of a snapshot and columns as data, filtered and in order.
//!
//! [`Table`] knows the type of its rows; whoever shows it knows only [`Listing`], what all tables have in common, and [`Listed`], the
//! rows of one of them in their order. Only cells that can be seen are made.

mod column;
mod id;

use std::borrow::Cow;

use nettop_model::{
    flat::Row,
    query::{Fact, Query, Verdict},
    snapshot::{Snapshot, Subject},
};
use serde_json::{Map, Value};

pub use self::{
    column::{Align, Cell, Column, Head, Meaning, SortKey},
    id::Id,
};

/// A table of rows `R`.
pub struct Table<R: Clone + 'static> {
    /// What the view is called.
    pub name: &'static str,
    /// What its rows are.
    pub many: &'static str,
    /// What it shows, in a sentence.
    pub about: &'static str,
    /// Its columns, from left to right.
    pub columns: &'static [Column<R>],
    /// Its rows, in the order that they have unless sorted otherwise.
    pub rows: for<'a> fn(&'a Snapshot) -> Cow<'a, [R]>,
    /// How many rows there are that no snapshot lists.
    pub unlisted: fn(&Snapshot) -> u64,
    /// What a row is known by.
    pub id: fn(&R) -> Id,
    /// The words that a filter of it may have: those of `facts`.
    pub words: &'static [&'static str],
    /// What a filter can ask of a row.
    pub facts: Facts<R>,
    /// Where Enter leads.
    pub enter: fn(&R) -> Enter,
}

/// Tells all that is known of a row, one fact after the other.
pub type Facts<R> = fn(&R, &mut dyn FnMut(Fact));

/// By which column, and in which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The column's place.
    pub column: usize,
    /// Whether the largest come first.
    pub reversed: bool,
}

/// Where Enter leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enter {
    /// To everything known of this.
    Detail(Subject),
    /// To what is known of the alert with this number.
    Alert(u64),
    /// To the sources, filtered so.
    Sources(String),
    /// To the destinations, filtered so.
    Destinations(String),
    /// To the connections, filtered so.
    Connections(String),
    /// Nowhere: the row says all there is.
    Nowhere,
}

/// What all tables have in common.
pub trait Listing: Sync {
    /// What the view is called.
    fn name(&self) -> &'static str;
    /// What it shows, in a sentence.
    fn about(&self) -> &'static str;
    /// What its rows are.
    fn many(&self) -> &'static str;
    /// The words that a filter of it may have, as [`Query::words`] tells them; besides, any text.
    fn words(&self) -> &'static [&'static str];
    /// The heads of its columns.
    fn heads(&self) -> Vec<Head>;
    /// Its rows that pass a filter, in an order; without one as the snapshot has them, most packets first.
    fn list<'a>(&'a self, snapshot: &'a Snapshot, filter: Option<&Query>, order: Option<Order>)
    -> Box<dyn Listed + 'a>;
}

/// Rows in their order.
pub trait Listed {
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// How many the filter hides, and how many the snapshot does not list.
    fn hidden(&self) -> (usize, u64);
    /// Of those that the filter hides, how many it could not judge.
    fn unjudged(&self) -> usize;
    /// What the row at a place is known by.
    fn id(&self, at: usize) -> Option<Id>;
    /// Everything that the snapshot has of it, as its JSON has it.
    fn fields(&self, at: usize) -> Map<String, Value>;
    /// Where Enter leads from there.
    fn enter(&self, at: usize) -> Enter;
    /// The text of one of its columns, made for a cell.
    fn cell(&self, at: usize, column: usize, cell: &Cell) -> String;
    /// What that text means.
    fn meaning(&self, at: usize, column: usize, cell: &Cell) -> Meaning;
}

/// See [`Listed`].
struct TableRows<'a, R: Clone + 'static> {
    table: &'a Table<R>,
    rows: Cow<'a, [R]>,
    /// Places in `rows`.
    places: Vec<u32>,
    unlisted: u64,
    unjudged: usize,
}

impl<R: Clone + Row + Sync> Listing for Table<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn many(&self) -> &'static str {
        self.many
    }

    fn words(&self) -> &'static [&'static str] {
        self.words
    }

    fn heads(&self) -> Vec<Head> {
        self.columns.iter().map(|column| column.head).collect()
    }

    fn list<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        filter: Option<&Query>,
        order: Option<Order>,
    ) -> Box<dyn Listed + 'a> {
        let rows = (self.rows)(snapshot);
        let mut places: Vec<u32> = (0..).take(rows.len()).collect();
        let mut unjudged = 0;
        if let Some(filter) = filter {
            places.retain(|at| {
                let verdict = filter.judge(|see| (self.facts)(&rows[*at as usize], see));
                unjudged += usize::from(verdict == Verdict::Unknown);
                verdict == Verdict::Passes
            });
        }
        if let Some(Order { column, reversed }) = order
            && let Some(key) = self.columns.get(column).and_then(|column| column.key)
        {
            places = ordered(places.iter().map(|at| (key(&rows[*at as usize]), *at)).collect(), reversed);
        }
        let unlisted = (self.unlisted)(snapshot);
        Box::new(TableRows { table: self, rows, places, unlisted, unjudged })
    }
}

/// Places by their keys. Not a part of [`Listing::list`], which would have a sort of its own for every type of rows.
fn ordered(mut keyed: Vec<(SortKey, u32)>, reversed: bool) -> Vec<u32> {
    // Stable, and rates that look alike are equal: rows change places only where there is a reason.
    keyed.sort_by(|(one, _), (other, _)| if reversed { other.order(one) } else { one.order(other) });
    keyed.into_iter().map(|(_, at)| at).collect()
}

impl<R: Clone> TableRows<'_, R> {
    fn row(&self, at: usize) -> Option<&R> {
        self.rows.get(*self.places.get(at)? as usize)
    }
}

impl<R: Clone + Row> Listed for TableRows<'_, R> {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn hidden(&self) -> (usize, u64) {
        (self.rows.len() - self.places.len(), self.unlisted)
    }

    fn unjudged(&self) -> usize {
        self.unjudged
    }

    fn id(&self, at: usize) -> Option<Id> {
        self.row(at).map(self.table.id)
    }

    fn fields(&self, at: usize) -> Map<String, Value> {
        match self.row(at).map(Row::to_flat) {
            Some(Ok(Value::Object(fields))) => fields,
            // Every row is a struct that can be written.
            _ => Map::new(),
        }
    }

    fn enter(&self, at: usize) -> Enter {
        self.row(at).map_or(Enter::Nowhere, self.table.enter)
    }

    fn cell(&self, at: usize, column: usize, cell: &Cell) -> String {
        match (self.row(at), self.table.columns.get(column)) {
            (Some(row), Some(column)) => (column.cell)(row, cell),
            _ => String::new(),
        }
    }

    fn meaning(&self, at: usize, column: usize, cell: &Cell) -> Meaning {
        match (self.row(at), self.table.columns.get(column)) {
            (Some(row), Some(column)) => column.meaning.map_or(column.head.meaning, |meaning| meaning(row, cell)),
            _ => Meaning::Text,
        }
    }
}
