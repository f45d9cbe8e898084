//! What of the screen only configuration files can say: which keys do what, and how each view's table begins.

use nettop_model::query;
use nettop_views::{
    table::{Head, Order},
    view::{self, VIEWS},
};

use super::{
    bindings::Bindings,
    table::arrange::{TableState, WIDEST},
};

/// What only files can say.
#[derive(Clone, Debug, PartialEq)]
pub struct Preferences {
    /// Which keys do what.
    pub keys: Bindings,
    /// How the table of each view begins.
    pub tables: [TableState; VIEWS.len()],
    /// Unicode, whatever the environment says of the terminal: ASCII was turned off.
    pub unicode: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        let table =
            |at| TableState { filter: query::parse(view::usual_filter(at)).ok().flatten(), ..TableState::default() };
        Self { keys: Bindings::default(), tables: std::array::from_fn(table), unicode: false }
    }
}

/// What files call a column.
pub fn column_name(head: &Head) -> String {
    head.title.to_lowercase()
}

/// The place of the column that files call so, in any case, of those that are `fit`.
fn column(heads: &[Head], name: &str, fit: fn(&Head) -> bool) -> Result<usize, String> {
    let found = heads.iter().position(|head| fit(head) && column_name(head) == name.to_lowercase());
    found.ok_or_else(|| {
        let names: Vec<_> = heads.iter().filter(|head| fit(head)).map(column_name).collect();
        format!("{name:?} is none of {}", names.join(", "))
    })
}

impl TableState {
    /// Shows the columns of these names only, in the table's own order, and the most important one, which always stays.
    ///
    /// # Errors
    /// The name that no column has, and those that there are.
    pub fn show(&mut self, heads: &[Head], names: &[String]) -> Result<(), String> {
        let wanted = names.iter().map(|name| column(heads, name, |_| true)).collect::<Result<Vec<_>, _>>()?;
        self.without = (0..heads.len()).filter(|at| heads[*at].rank != 0 && !wanted.contains(at)).collect();
        Ok(())
    }

    /// Gives the column of this name so many cells, whatever the terminal has room for.
    ///
    /// # Errors
    /// The name, if no column has it, or the number, if it is not from 1 to [`WIDEST`].
    pub fn set_width(&mut self, heads: &[Head], name: &str, cells: i64) -> Result<(), String> {
        let at = column(heads, name, |_| true)?;
        match u16::try_from(cells) {
            Ok(cells) if (1..=WIDEST).contains(&cells) => self.widths.insert(at, cells),
            _ => return Err(format!("a column has from 1 to {WIDEST} cells, not {cells}")),
        };
        Ok(())
    }

    /// Begins sorted by the column of this name, or the other way round; without a name as the snapshot has it.
    ///
    /// # Errors
    /// The name, if rows cannot be sorted by such a column, and those of columns by which they can.
    pub fn begin_sorted(&mut self, heads: &[Head], name: Option<&str>, reverse: bool) -> Result<(), String> {
        let Some(name) = name else {
            if reverse {
                self.reverse(heads);
            }
            return Ok(());
        };
        let found = column(heads, name, |head| head.sorts)?;
        self.order = Some(Order { column: found, reversed: heads[found].falls != reverse });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(table: &TableState, heads: &[Head]) -> String {
        let shown = (0..heads.len()).filter(|at| !table.without.contains(at));
        shown.map(|at| column_name(&heads[at])).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn columns_are_shown_by_name_and_the_most_important_one_stays() {
        let heads = VIEWS[0].heads();
        for (names, expected) in
            [(&["PPS", "pkts"][..], "ip pkts pps"), (&[], "ip"), (&["low/peak", "#"], "# ip low/peak")]
        {
            let mut table = TableState::default();
            table.show(&heads, &names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
            assert_eq!(shown(&table, &heads), expected);
        }
        let error = TableState::default().show(&heads, &["pkt".into()]).unwrap_err();
        assert!(error.starts_with("\"pkt\" is none of #, ip, geo"), "{error}");
    }

    #[test]
    fn tables_begin_sorted_with_the_most_first_unless_reversed() {
        let heads = VIEWS[0].heads();
        let order = |name, reverse| {
            let mut table = TableState::default();
            table
                .begin_sorted(&heads, name, reverse)
                .map(|()| table.order.map(|order| (column_name(&heads[order.column]), order.reversed)))
        };
        assert_eq!(order(None, false), Ok(None));
        assert_eq!(order(None, true), Ok(Some(("pkts".into(), false))));
        assert_eq!(order(Some("PPS"), false), Ok(Some(("pps".into(), true))));
        assert_eq!(order(Some("pps"), true), Ok(Some(("pps".into(), false))));
        assert_eq!(order(Some("ip"), false), Ok(Some(("ip".into(), false))));
        assert!(order(Some("share"), false).unwrap_err().contains("pkts"));
    }

    #[test]
    fn widths_are_set_by_name_within_bounds() {
        let heads = VIEWS[0].heads();
        let mut table = TableState::default();
        for (name, cells) in [("ip", 1), ("low/peak", 500), ("IP", 20)] {
            assert_eq!(table.set_width(&heads, name, cells), Ok(()), "{name} {cells}");
        }
        assert_eq!(table.widths, [(1, 20), (8, 500)].into());
        for (name, cells, part) in
            [("ip", 0, "1 to 500"), ("ip", 501, "not 501"), ("ip", -1, "not -1"), ("x", 5, "none of")]
        {
            let error = table.set_width(&heads, name, cells).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(table.widths, [(1, 20), (8, 500)].into());
    }

    #[test]
    fn columns_of_a_view_have_names_of_their_own() {
        for view in VIEWS {
            let names: std::collections::BTreeSet<_> = view.heads().iter().map(column_name).collect();
            assert_eq!(names.len(), view.heads().len(), "{}", view.name());
        }
    }
}
