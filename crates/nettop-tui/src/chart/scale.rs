//! The scale of a chart: which value its top has, and at which rows others are written.

use super::area;

/// A chart of so many rows has a value at each quarter, a lower one at each half.
const QUARTERS_FROM: usize = 8;
/// First digits of tops, whose quarters have at most three.
const DIGITS: [f64; 10] = [1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0];
/// Tops whose quarters would be written without a digit that they have.
const UNEVEN: [f64; 2] = [30.0, 50.0];

/// The least round number that leaves a row above `peak` in a chart of `height` rows: a round digit and a power of ten, of a
/// unit that is a power of `base` (1000 or 1024). Never under `least`.
pub fn top(peak: f64, base: f64, least: f64, height: usize) -> f64 {
    let rows = height.max(2) as f64;
    let wanted = (peak * rows / (rows - 1.0)).max(least);
    if !wanted.is_finite() || wanted <= 0.0 {
        return 1.0;
    }
    let mut unit = 1.0;
    while wanted >= unit * base {
        unit *= base;
    }
    let tops = [1.0, 10.0, 100.0].into_iter().flat_map(|ten| DIGITS.map(|digit| digit * ten * unit));
    tops.into_iter().find(|top| *top >= wanted && !UNEVEN.contains(top)).unwrap_or(unit * base)
}

/// The rows that have a value, from below, each with its value.
pub fn marks(top: f64, height: usize) -> impl Iterator<Item = (usize, f64)> {
    let parts: usize = if height >= QUARTERS_FROM { 4 } else { 2 };
    (0..=parts).map(move |part| {
        let value = top * part as f64 / parts as f64;
        (area::row_of(value, top, height), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_is_round_and_leaves_a_row_for_the_mark_of_the_peak() {
        for (name, peak, base, height, expected) in [
            ("nothing", 0.0, 1000.0, 6, 10.0),
            ("little", 3.0, 1000.0, 6, 10.0),
            ("room above", 3_141_592.0, 1000.0, 6, 4e6),
            ("no room above", 3_500_000.0, 1000.0, 6, 5e6),
            ("more rows need less room", 3_500_000.0, 1000.0, 8, 4e6),
            ("just below a thousand", 799.0, 1000.0, 6, 1000.0),
            ("powers of 1024", 900.0 * 1024.0, 1024.0, 6, 1024.0 * 1024.0 * 1.2),
            ("hundreds of a unit", 300.0 * 1024.0, 1024.0, 6, 400.0 * 1024.0),
            ("quarters of 30 are 7.5 and 22.5", 21.0, 1000.0, 6, 40.0),
            ("no number", f64::NAN, 1000.0, 6, 10.0),
            ("infinite", f64::INFINITY, 1000.0, 6, 1.0),
        ] {
            assert_eq!(top(peak, base, 10.0, height), expected, "{name}");
        }
        for (height, tenth) in (5..40).flat_map(|height| (1..20_000).step_by(7).map(move |tenth| (height, tenth))) {
            let peak = f64::from(tenth) / 10.0;
            let top = top(peak, 1000.0, 10.0, height);
            assert!(area::row_of(peak, top, height) + 1 < height, "{peak} of {top} in {height} rows");
        }
    }

    #[test]
    fn values_stand_where_their_dots_are() {
        for (height, expected) in [
            (5, &[(0, 0.0), (2, 20.0), (4, 40.0)][..]),
            (6, &[(0, 0.0), (3, 20.0), (5, 40.0)]),
            (8, &[(0, 0.0), (2, 10.0), (4, 20.0), (5, 30.0), (7, 40.0)]),
        ] {
            assert_eq!(marks(40.0, height).collect::<Vec<_>>(), expected, "{height}");
        }
    }
}
