//! The columns of the table of sources, as data: a new column is one more row here.

use ratatui::style::Style;

use super::{format, text, theme::Theme};
use crate::snapshot::{Place, SourceRow};

/// Columns left blank between two columns of the table.
pub const GAP: u16 = 1;

/// One column.
pub struct Column {
    /// Its head.
    pub title: &'static str,
    /// What it shows, in a sentence.
    pub help: &'static str,
    /// The terminal's width from which it is shown: the most important ones come first.
    pub from: u16,
    /// The least width that shows its usual values whole.
    pub least: u16,
    /// The width it gets before any column gets more than this.
    pub good: u16,
    /// The most it can use.
    pub most: u16,
    /// Where its text stands.
    pub align: fn(&str, usize) -> String,
    /// Its style.
    pub style: fn(&Theme) -> Style,
    /// Its text for one source.
    pub cell: fn(&SourceRow, &Context) -> String,
}

/// What a cell may know beside its row.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// When the snapshot was taken.
    pub now_ns: u64,
    /// The row's place, from 1.
    pub rank: usize,
    /// The cell's width.
    pub width: usize,
    /// Whether the terminal can show flags.
    pub flags: bool,
}

/// Every column, from left to right.
pub const COLUMNS: &[Column] = &[
    Column {
        title: "#",
        help: "place by packets",
        from: 50,
        least: 3,
        good: 3,
        most: 3,
        align: text::right,
        style: |theme| theme.dim,
        cell: |_, context| context.rank.to_string(),
    },
    Column {
        title: "IP",
        help: "source address",
        from: 0,
        // 15 is any IPv4 address, 39 any IPv6 address; 28 takes most of the latter.
        least: 15,
        good: 28,
        most: 39,
        align: text::left,
        style: |theme| theme.address,
        cell: |row, context| text::cut_middle(&row.ip.to_string(), context.width),
    },
    Column {
        title: "Geo",
        help: "country, and city where it is known",
        from: 56,
        // The code alone; then a flag before it; then what it stands for.
        least: 2,
        good: 5,
        most: 30,
        align: text::left,
        style: |theme| theme.text,
        cell: |row, context| row.place.as_ref().map_or(String::new(), |place| geo(place, context)),
    },
    Column {
        title: "Network",
        help: "autonomous system: its number, and who runs it",
        from: 150,
        least: 14,
        good: 24,
        most: 36,
        align: text::left,
        style: |theme| theme.dim,
        cell: |row, _| {
            let known = row.place.as_ref().filter(|place| place.asn != 0);
            known.map_or(String::new(), |place| format::network(place.asn, &place.org))
        },
    },
    Column {
        title: "Pkts",
        help: "packets",
        from: 26,
        least: 9,
        good: 11,
        most: 15,
        align: text::right,
        style: |theme| theme.value,
        cell: |row, context| format::count(row.packets, context.width),
    },
    Column {
        title: "PPS",
        help: "packets in the newest whole second",
        from: 33,
        least: 6,
        good: 6,
        most: 6,
        align: text::right,
        style: |theme| theme.text,
        cell: |row, _| format::pps(row.pps),
    },
    Column {
        title: "Low/Peak",
        help: "packets in the quietest second of the last minute and in the busiest ever",
        from: 95,
        least: 11,
        good: 11,
        most: 11,
        align: text::right,
        style: |theme| theme.text,
        cell: |row, _| format!("{}/{}", format::pps(row.low_pps), format::pps(row.peak_pps)),
    },
    Column {
        title: "Bytes",
        help: "bytes on the wire",
        from: 60,
        least: 8,
        good: 8,
        most: 8,
        align: text::right,
        style: |theme| theme.text,
        cell: |row, _| format::bytes(row.bytes),
    },
    Column {
        title: "Last",
        help: "time since its newest packet",
        from: 66,
        least: 4,
        good: 4,
        most: 4,
        align: text::right,
        style: |theme| theme.dim,
        cell: |row, context| format::ago(context.now_ns, row.last_ns),
    },
    Column {
        title: "Share",
        help: "share of all counted packets",
        from: 40,
        least: PERCENT,
        good: 12,
        most: 48,
        align: text::left,
        style: |theme| theme.bar,
        cell: |row, context| {
            let percent = text::right(&format::percent(row.share), PERCENT.into());
            match context.width.saturating_sub(usize::from(PERCENT) + 1) {
                0 => percent,
                width => format!("{percent} {}", format::bar(row.share, width)),
            }
        },
    },
];

/// The width of a share in digits.
const PERCENT: u16 = 5;

/// From this width on there is room for a name behind the code of a country.
const NAMED_FROM: usize = 14;

fn geo(place: &Place, context: &Context) -> String {
    let name = if place.city.is_empty() { &place.country } else { &place.city };
    let name = if context.width >= NAMED_FROM { name } else { "" };
    // A flag takes two columns.
    let flag = context.flags && context.width >= 5;
    format::country(place.country_code, name, flag)
}

/// The columns that fit into a table of `width`, each with its width.
pub fn fit(columns: &'static [Column], width: u16) -> Vec<(&'static Column, u16)> {
    let mut shown: Vec<_> =
        columns.iter().filter(|column| column.from <= width).map(|column| (column, column.least)).collect();
    let gaps = (shown.len() as u16).saturating_sub(1) * GAP;
    let used = gaps + shown.iter().map(|(_, width)| width).sum::<u16>();
    let mut slack = width.saturating_sub(used);
    for most in [|column: &Column| column.good, |column: &Column| column.most] {
        for (column, width) in &mut shown {
            let more = most(column).saturating_sub(*width).min(slack);
            *width += more;
            slack -= more;
        }
    }
    // A terminal narrower than an address.
    if let [(_, only)] = shown.as_mut_slice() {
        *only = (*only).min(width);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_fill_but_never_exceed_any_width() {
        for width in 0..300 {
            let shown = fit(COLUMNS, width);
            let used = shown.iter().map(|(_, width)| width + GAP).sum::<u16>() - GAP;
            assert!(used <= width.max(1), "{used} > {width}");
            assert!(shown.iter().any(|(column, _)| column.title == "IP"));
        }
    }

    #[test]
    fn columns_go_by_importance() {
        let titles = |width| fit(COLUMNS, width).iter().map(|(column, _)| column.title).collect::<Vec<_>>().join(" ");
        for (width, expected) in [
            (20, "IP"),
            (30, "IP Pkts"),
            (39, "IP Pkts PPS"),
            (40, "IP Pkts PPS Share"),
            (50, "# IP Pkts PPS Share"),
            (80, "# IP Geo Pkts PPS Bytes Last Share"),
            (94, "# IP Geo Pkts PPS Bytes Last Share"),
            (95, "# IP Geo Pkts PPS Low/Peak Bytes Last Share"),
            (150, "# IP Geo Network Pkts PPS Low/Peak Bytes Last Share"),
        ] {
            assert_eq!(titles(width), expected, "{width}");
        }
    }

    #[test]
    fn every_address_fits_from_120_columns_on() {
        for (width, least) in [(40, 15), (80, 28), (94, 28), (120, 39)] {
            let ip = fit(COLUMNS, width).iter().find(|(column, _)| column.title == "IP").map(|(_, width)| *width);
            assert!(ip >= Some(least), "{width}: {ip:?}");
        }
    }
}
