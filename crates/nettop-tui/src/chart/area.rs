//! Filled areas of braille dots: 60 values as rows of characters, two dots wide and four high each.
//!
//! Every value has columns of dots of its own while there are as many columns as values; fewer columns show the highest of
//! several values. Nothing is interpolated. An unknown value (not finite) is blank; zero is the lowest row of dots.

use std::ops::Range;

use super::VALUES;

/// Dots of a character: its columns and rows.
const COLUMNS: usize = 2;
const ROWS: usize = 4;
/// The first character of the block; a bit is a dot.
const BLANK: u32 = 0x2800;
/// The bits of the lowest 0 to 4 dots, for the left and the right column.
const FILLED: [[u32; ROWS + 1]; COLUMNS] = [[0, 0x40, 0x44, 0x46, 0x47], [0, 0x80, 0xa0, 0xb0, 0xb8]];

/// The values of an area, oldest first; what is not finite is unknown.
pub type Values = [f32; VALUES];

/// Draws an area of `width` by `height` characters, from the top row down; `top` is the value of the highest row of dots.
pub fn rows(values: &Values, top: f64, width: usize, height: usize) -> Vec<String> {
    let dots = width * COLUMNS;
    let levels: Vec<usize> =
        (0..dots).map(|dot| highest(values, of_dot(dot, dots)).map_or(0, |value| level(value, top, height))).collect();
    let row = |row: usize| {
        let filled = |level: usize| level.saturating_sub(row * ROWS).min(ROWS);
        let cell = |cell: &[usize]| {
            let bits = cell.iter().zip(FILLED).fold(0, |bits, (level, column)| bits | column[filled(*level)]);
            if bits == 0 { ' ' } else { char::from_u32(BLANK + bits).unwrap_or(' ') }
        };
        levels.chunks(COLUMNS).map(cell).collect()
    };
    (0..height).rev().map(row).collect()
}

/// The row from below, in characters, in which the highest dot of a value is.
pub fn row_of(value: f64, top: f64, height: usize) -> usize {
    (level(value, top, height) - 1) / ROWS
}

/// The places of the values that a character shows, of `width` characters.
pub fn of_cell(cell: usize, width: usize) -> Range<usize> {
    let dots = width * COLUMNS;
    of_dot(cell * COLUMNS, dots).start..of_dot(cell * COLUMNS + 1, dots).end
}

/// The character that shows the middle of a value, of `width` characters.
pub fn cell_of(value: usize, width: usize) -> usize {
    let dots = width * COLUMNS;
    let last = ((value + 1) * dots).div_ceil(VALUES).saturating_sub(1);
    let first = (value * dots).div_ceil(VALUES).min(last);
    first.midpoint(last) / COLUMNS
}

/// The place of the newest of the highest values; `None`: all are unknown or zero.
pub fn peak(values: &Values) -> Option<usize> {
    let known = values.iter().enumerate().filter(|(_, value)| value.is_finite() && **value > 0.0);
    known.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(at, _)| at)
}

/// The places of the values that a column of dots shows.
fn of_dot(dot: usize, dots: usize) -> Range<usize> {
    let from = dot * VALUES / dots.max(1);
    from..((dot + 1) * VALUES / dots.max(1)).clamp(from + 1, VALUES.max(from + 1))
}

fn highest(values: &Values, places: Range<usize>) -> Option<f64> {
    let known = values.get(places)?.iter().copied().filter(|value| value.is_finite());
    known.max_by(f32::total_cmp).map(f64::from)
}

/// How many dots stand on each other for a value, at least one; for one above zero at least two.
fn level(value: f64, top: f64, height: usize) -> usize {
    let most = (height * ROWS).max(1);
    let share = if top > 0.0 && value > 0.0 { value / top } else { 0.0 };
    let dots = 1 + (share * (most - 1) as f64).round() as usize;
    dots.clamp(1 + usize::from(share > 0.0), most.max(2)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The newest values, after unknown ones.
    fn newest(some: &[f32]) -> Values {
        let mut values = [f32::NAN; VALUES];
        values[VALUES - some.len()..].copy_from_slice(some);
        values
    }

    #[test]
    fn numbers_become_dots() {
        const GAP: f32 = f32::NAN;
        for (name, values, top, height, expected) in [
            ("nothing is known", &[][..], 4.0, 1, &[""][..]),
            ("zero is the lowest dot", &[0.0, 0.0, 0.0, 0.0], 3.0, 1, &["⣀⣀"]),
            ("a dot for each step", &[0.0, 1.0, 2.0, 3.0], 3.0, 1, &["⣠⣾"]),
            ("little is more than nothing", &[0.0, 0.001], 3.0, 1, &["⣠"]),
            ("a gap is blank", &[3.0, GAP, GAP, 3.0], 3.0, 1, &["⡇⢸"]),
            ("infinite is unknown", &[3.0, f32::INFINITY], 3.0, 1, &["⡇"]),
            ("negative is zero", &[-1.0, -7.0], 3.0, 1, &["⣀"]),
            ("above the top stays inside", &[99.0, 3.0], 3.0, 1, &["⣿"]),
            ("without a top all are zero", &[99.0, 3.0], 0.0, 1, &["⣀"]),
            ("two rows", &[0.0, 3.0, 4.0, 7.0], 7.0, 2, &[" ⣸", "⣸⣿"]),
            ("three rows", &[11.0, 0.0, 5.0, 6.0], 11.0, 3, &["⡇ ", "⡇⣴", "⣇⣿"]),
        ] {
            let expected: Vec<_> = expected.iter().map(|row| format!("{row:>30}")).collect();
            assert_eq!(rows(&newest(values), top, VALUES / 2, height), expected, "{name}");
        }
    }

    #[test]
    fn few_columns_show_the_highest_and_many_repeat() {
        let mut spike = [0.0; VALUES];
        spike[31] = 3.0;
        for (name, values, width, expected) in [
            ("three values in a column of dots", spike, 10, "⣀⣀⣀⣀⣀⣇⣀⣀⣀⣀"),
            ("one character", spike, 1, "⣸"),
            ("no character", spike, 0, ""),
            ("two columns for a value", newest(&[0.0, 3.0, 0.0]), 60, &format!("{}⣀⣿⣀", " ".repeat(57))),
            ("a column and a half for a value", newest(&[0.0, 3.0, 0.0, 3.0]), 45, &format!("{}⣀⣇⣸", " ".repeat(42))),
        ] {
            assert_eq!(rows(&values, 3.0, width, 1), [expected], "{name}");
        }
    }

    #[test]
    fn every_value_has_a_place_at_every_width_and_every_place_its_values() {
        for width in 1..300 {
            let cells: Vec<_> = (0..width).map(|cell| of_cell(cell, width)).collect();
            assert_eq!((cells[0].start, cells[width - 1].end), (0, VALUES), "{width}");
            assert!(cells.is_sorted_by(|one, next| one.start <= next.start && next.start <= one.end), "{width}");
            for value in 0..VALUES {
                assert!(cells[cell_of(value, width)].contains(&value), "{width}: {value}");
            }
        }
    }

    #[test]
    fn the_newest_of_the_highest_is_the_peak() {
        for (name, values, expected) in [
            ("unknown", &[f32::NAN, f32::INFINITY][..], None),
            ("zero", &[0.0, 0.0], None),
            ("one", &[2.0, 1.0, f32::NAN], Some(57)),
            ("two", &[2.0, 1.0, 2.0], Some(59)),
        ] {
            assert_eq!(peak(&newest(values)), expected, "{name}");
        }
    }
}
