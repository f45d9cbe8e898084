//! Which columns a width has room for, and how wide each is: a pure function.

use nettop_views::table::Head;

/// Columns left blank between two columns of the table.
pub const GAP: u16 = 1;

/// Columns from this rank on are good to have; the others matter more than the width of any.
const EXTRA: u8 = 9;

/// The columns of those in `wanted` that fit into `width`, as places in `heads`, each with its width; the least important are
/// left out first, and at least one stays.
pub fn fit(heads: &[Head], wanted: impl Fn(usize) -> bool, width: u16) -> Vec<(usize, u16)> {
    let mut shown: Vec<_> = (0..heads.len()).filter(|at| wanted(*at)).collect();
    let used = |shown: &[usize], wide: usize| -> u16 {
        shown.iter().map(|at| heads[*at].widths[wide] + GAP).sum::<u16>().saturating_sub(GAP)
    };
    while shown.len() > 1 {
        let Some(least) = (0..shown.len()).max_by_key(|at| heads[shown[*at]].rank) else { break };
        // What is good to have comes only where the others have the width that is good for them.
        let wide = usize::from(heads[shown[least]].rank >= EXTRA);
        if used(&shown, wide) <= width {
            break;
        }
        shown.remove(least);
    }
    let mut slack = width.saturating_sub(used(&shown, 0));
    let mut sized: Vec<_> = shown.iter().map(|at| (*at, heads[*at].widths[0])).collect();
    for most in 1..3 {
        for (at, width) in &mut sized {
            let more = heads[*at].widths[most].saturating_sub(*width).min(slack);
            *width += more;
            slack -= more;
        }
    }
    // A terminal narrower than the one column that is left.
    if let [(_, only)] = sized.as_mut_slice() {
        *only = (*only).min(width);
    }
    sized
}

#[cfg(test)]
mod tests {
    use nettop_views::view::VIEWS;

    use super::*;

    #[test]
    fn the_columns_fill_but_never_exceed_any_width() {
        for (view, width) in VIEWS.iter().flat_map(|view| (0..300).map(move |width| (view, width))) {
            let shown = fit(&view.heads(), |_| true, width);
            let used = shown.iter().map(|(_, width)| width + GAP).sum::<u16>() - GAP;
            assert!(used <= width.max(1), "{}: {used} > {width}", view.name());
            assert!(!shown.is_empty());
        }
    }

    #[test]
    fn columns_go_by_importance() {
        let heads = VIEWS[0].heads();
        let titles =
            |width| fit(&heads, |_| true, width).iter().map(|(at, _)| heads[*at].title).collect::<Vec<_>>().join(" ");
        for (width, expected) in [
            (14, "IP"),
            (30, "IP Pkts"),
            (37, "IP Pkts PPS"),
            (40, "IP Pkts PPS Share"),
            (50, "# IP Geo Pkts PPS Share"),
            (80, "# IP Geo With Pkts PPS Bytes Last Share"),
            (100, "# IP Geo With Pkts PPS Bytes First Last Share"),
            (120, "# IP Geo With Pkts PPS Low/Peak Bytes First Last Share"),
            (140, "# IP Geo Network With Pkts PPS 60s Low/Peak Bytes First Last Share"),
            (160, "# IP Geo Network With Pkts PPS 60s Low/Peak Bytes First Last Share TX PPS TX pkts"),
        ] {
            assert_eq!(titles(width), expected, "{width}");
        }
    }

    #[test]
    fn every_address_fits_from_120_columns_on() {
        let heads = VIEWS[0].heads();
        for (width, least) in [(40, 15), (80, 25), (94, 28), (120, 39), (250, 39)] {
            let columns = fit(&heads, |_| true, width);
            let ip = columns.iter().find(|(at, _)| heads[*at].title == "IP").map(|(_, width)| *width);
            assert!(ip >= Some(least), "{width}: {ip:?}");
        }
    }

    #[test]
    fn what_is_not_wanted_leaves_its_room_to_the_others() {
        let heads = VIEWS[0].heads();
        let whole = fit(&heads, |_| true, 80);
        let without = fit(&heads, |at| heads[at].title != "Share", 80);
        assert!(whole.iter().any(|(at, _)| heads[*at].title == "Share"));
        assert!(without.iter().all(|(at, _)| heads[*at].title != "Share"));
        assert!(without.iter().any(|(at, _)| heads[*at].title == "IP"));
    }
}
