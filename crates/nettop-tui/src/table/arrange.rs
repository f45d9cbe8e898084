//! How the user wants a table: sorted, filtered, scrolled, with which columns, and which row is selected.

use std::collections::{BTreeMap, BTreeSet};

use nettop_model::query::Query;
use nettop_views::table::{Head, Id, Listed, Order};

/// The most cells that a column can be given.
pub const WIDEST: u16 = 500;

/// How a table is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableState {
    /// `None`: as the snapshot has it, most packets first.
    pub order: Option<Order>,
    /// Columns that are not wanted.
    pub without: BTreeSet<usize>,
    /// The cells of columns whose width was chosen; that of the others follows from the terminal.
    pub widths: BTreeMap<usize, u16>,
    /// `None`: every row.
    pub filter: Option<Query>,
    /// The selected row: what it is known by.
    pub selected: Option<Id>,
    /// Where it stood last: who takes its place when it is gone.
    pub at: usize,
    /// The first row that can be seen.
    pub top: usize,
}

/// How far to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// So many rows down, or up.
    Rows(isize),
    /// So many screens down, or up.
    Pages(isize),
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

impl TableState {
    /// The heads, with the widths that were chosen.
    pub fn sized(&self, mut heads: Vec<Head>) -> Vec<Head> {
        for (at, width) in &self.widths {
            if let Some(head) = heads.get_mut(*at) {
                head.widths = [*width; 3];
            }
        }
        heads
    }

    /// Where the selected row is; one that is gone is taken to be where it stood. `None`: no row is selected, or there is none.
    pub fn position(&self, listed: &dyn Listed) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        let found = |at: &usize| listed.id(*at).as_ref() == Some(selected);
        // Where it stood, it most likely stands.
        let at = Some(self.at).filter(found).or_else(|| (0..listed.len()).find(found)).unwrap_or(self.at);
        listed.len().checked_sub(1).map(|last| at.min(last))
    }

    /// The first row of `height` that can be seen, so that the selected one is among them.
    pub fn first(&self, listed: &dyn Listed, height: usize) -> usize {
        let top = self.top.min(listed.len().saturating_sub(height));
        match self.position(listed) {
            Some(at) if height > 0 => top.clamp((at + 1).saturating_sub(height), at),
            _ => top,
        }
    }

    /// Selects a row.
    pub fn select(&mut self, listed: &dyn Listed, at: usize) {
        self.at = at.min(listed.len().saturating_sub(1));
        self.selected = listed.id(self.at);
    }

    /// Moves the selection; on the first use to a row that can be seen.
    pub fn step(&mut self, listed: &dyn Listed, motion: Motion, height: usize) {
        let page = height.max(1) as isize;
        let first = self.first(listed, height);
        let now = self.position(listed);
        let by = |rows: isize| match now {
            Some(at) => at.saturating_add_signed(rows),
            None if rows > 0 => first.saturating_add_signed(rows - 1),
            None => first.saturating_add_signed(rows),
        };
        let at = match motion {
            Motion::Rows(rows) => by(rows),
            Motion::Pages(pages) => by(pages * page),
            Motion::First => 0,
            Motion::Last => usize::MAX,
        };
        self.top = first;
        self.select(listed, at);
        self.top = self.first(listed, height);
    }

    /// Scrolls without selecting another row, unless that would leave the screen.
    pub fn scroll(&mut self, listed: &dyn Listed, rows: isize, height: usize) {
        let first = self.first(listed, height);
        self.top = first.saturating_add_signed(rows).min(listed.len().saturating_sub(height));
        if let Some(at) = self.position(listed) {
            let last = (self.top + height).saturating_sub(1);
            self.select(listed, at.clamp(self.top, last.max(self.top)));
        }
    }

    /// After the rows have changed: remembers where the selected one is now.
    pub fn follow(&mut self, listed: &dyn Listed, height: usize) {
        self.top = self.first(listed, height);
        if let Some(at) = self.position(listed) {
            self.at = at;
        }
    }

    /// Sorts by the next column that can be sorted by, of those shown.
    pub fn next_order(&mut self, heads: &[Head], shown: &[usize]) {
        let can: Vec<_> = shown.iter().copied().filter(|at| heads[*at].sorts).collect();
        let now = self.order.and_then(|order| can.iter().position(|at| *at == order.column));
        self.order = match now {
            None => can.first().copied(),
            // After the last one as the snapshot has it.
            Some(at) => can.get(at + 1).copied(),
        }
        .map(|column| Order { column, reversed: heads[column].falls });
    }

    /// Sorts by a column; by the same one again, the other way round.
    pub fn sort_by(&mut self, heads: &[Head], column: usize) {
        let Some(head) = heads.get(column).filter(|head| head.sorts) else { return };
        let reversed = match self.order {
            Some(order) if order.column == column => !order.reversed,
            _ => head.falls,
        };
        self.order = Some(Order { column, reversed });
    }

    /// The other way round; where nothing was sorted, the column the snapshot sorts by.
    pub fn reverse(&mut self, heads: &[Head]) {
        let packets = || heads.iter().position(|head| head.sorts && head.title == "Pkts");
        self.order = match self.order {
            Some(order) => Some(Order { reversed: !order.reversed, ..order }),
            None => packets().map(|column| Order { column, reversed: !heads[column].falls }),
        };
    }
}
