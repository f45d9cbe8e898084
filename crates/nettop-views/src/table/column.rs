//! A column as data: what it is called, how wide it may be, what it says of a row, and how rows are sorted by it.

use std::{cmp::Ordering, net::IpAddr};

use nettop_model::format::Units;

use crate::{attention::Attention, text};

/// At which side of its column a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

impl Align {
    /// The text in exactly `columns`.
    pub fn set(self, text: &str, columns: usize) -> String {
        match self {
            Self::Left => text::left(text, columns),
            Self::Right => text::right(text, columns),
        }
    }
}

/// What the texts of a column mean; a theme or a style sheet says how that looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Ordinary text.
    Text,
    /// The name of something.
    Label,
    /// A value that matters.
    Value,
    /// What may be overlooked.
    Dim,
    /// An address.
    Address,
    /// A share, with its bar.
    Bar,
    /// As it should be.
    Good,
    /// Works, but not as it should.
    Warn,
    /// Went wrong, or is about to end.
    Error,
}

/// What does not depend on the rows.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// What it is called.
    pub title: &'static str,
    /// What it shows, in a sentence.
    pub help: &'static str,
    /// The most important column has 0; the highest is left out first when the width shrinks.
    pub rank: u8,
    /// Its widths: the least that shows its usual values whole, what it gets before any column gets more than this, and the
    /// most it can use.
    pub widths: [u16; 3],
    /// Where its text stands.
    pub align: Align,
    /// What its text means.
    pub meaning: Meaning,
    /// Whether rows can be sorted by it.
    pub sorts: bool,
    /// Whether the largest come first unless reversed.
    pub falls: bool,
}

/// A column over rows `R`.
pub struct Column<R: 'static> {
    /// What does not depend on the rows.
    pub head: Head,
    /// Its text for one row.
    pub cell: fn(&R, &Cell) -> String,
    /// What rows are sorted by; `None`: they cannot be.
    pub key: Option<fn(&R) -> SortKey>,
    /// What its text means where that depends on the row.
    pub meaning: Option<fn(&R, &Cell) -> Meaning>,
}

/// What a cell may know beside its row.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// When the snapshot was taken.
    pub now_ns: u64,
    /// Counted packets of everybody.
    pub packets: u64,
    /// The row's place, from 1.
    pub place: usize,
    /// The cell's width.
    pub width: usize,
    /// The default gateways.
    pub gateways: &'a [IpAddr],
    /// Whether the terminal can show flags.
    pub flags: bool,
    /// Numbers only: no names of ports.
    pub numeric: bool,
    /// The units of bytes and rates of bytes.
    pub units: Units,
    /// Which alerts were marked.
    pub attention: &'a Attention,
}

/// What rows are sorted by.
#[derive(Clone, Debug, PartialEq)]
pub enum SortKey {
    /// An exact number.
    Number(f64),
    /// A number that fluctuates: what differs by a tenth or less may be equal, so that rows do not jitter.
    Rate(f64),
    /// An address.
    Ip(IpAddr),
    /// A text.
    Text(String),
}

/// Rates below this all look alike.
const LEAST: f64 = 0.01;

impl SortKey {
    /// Of numbers, what is compared.
    fn number(&self) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Rate(rate) if *rate > 0.0 => 1.0 + ((rate.max(LEAST) / LEAST).ln() * 10.0).round(),
            Self::Rate(_) => 0.0,
            Self::Ip(_) | Self::Text(_) => 0.0,
        }
    }

    /// The order of two keys of one column.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Ip(one), Self::Ip(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            _ => self.number().total_cmp(&other.number()),
        }
    }
}

impl<R> Column<R> {
    /// A column of text, at the left.
    pub const fn text(
        title: &'static str,
        help: &'static str,
        rank: u8,
        widths: [u16; 3],
        cell: fn(&R, &Cell) -> String,
    ) -> Self {
        let (align, meaning) = (Align::Left, Meaning::Text);
        let head = Head { title, help, rank, widths, align, meaning, sorts: false, falls: false };
        Self { head, cell, key: None, meaning: None }
    }

    /// A column of numbers, at the right.
    pub const fn number(
        title: &'static str,
        help: &'static str,
        rank: u8,
        widths: [u16; 3],
        cell: fn(&R, &Cell) -> String,
    ) -> Self {
        let column = Self::text(title, help, rank, widths, cell);
        Self { head: Head { align: Align::Right, falls: true, ..column.head }, ..column }
    }

    /// The same with another meaning.
    pub const fn means(self, meaning: Meaning) -> Self {
        Self { head: Head { meaning, ..self.head }, ..self }
    }

    /// The same with a meaning that depends on the row.
    pub const fn means_by(self, meaning: fn(&R, &Cell) -> Meaning) -> Self {
        Self { meaning: Some(meaning), ..self }
    }

    /// The same, and rows can be sorted by it.
    pub const fn sorted(self, key: fn(&R) -> SortKey) -> Self {
        Self { head: Head { sorts: true, ..self.head }, key: Some(key), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_that_look_alike_are_equal() {
        let order = |one: f64, other: f64| SortKey::Rate(one).order(&SortKey::Rate(other));
        assert_eq!(order(1_000.0, 1_010.0), Ordering::Equal);
        assert_eq!(order(1_000.0, 1_200.0), Ordering::Less);
        assert_eq!([order(0.0, 0.2), order(0.2, 1.0), order(1.0, 2.0)], [Ordering::Less; 3]);
        assert_eq!([order(f64::NAN, 5.0), order(5.0, f64::INFINITY)], [Ordering::Less; 2]);
    }
}
