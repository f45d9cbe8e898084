//! Charts of what came over time, the newest at the right, what is not known blank: bars in eighths of a character, and filled
//! areas of braille dots ([`area`]) with a scale and a time axis.

pub mod area;
pub mod scale;
pub mod span;

/// Values of a whole chart.
pub const VALUES: usize = 60;

/// A character filled by so many eighths from below.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The highest of these values, which is the top of their chart.
pub fn peak(values: impl IntoIterator<Item = f32>) -> f32 {
    values.into_iter().filter(|value| value.is_finite()).fold(0.0, f32::max)
}

/// A chart of one line, in `width` columns: as many values as are known, the newest last.
pub fn line(values: &[f32], width: usize) -> String {
    lines(values, width, 1).pop().unwrap_or_default()
}

/// A chart of several lines, from the top one down. Where columns are fewer than values, each shows the highest of several.
pub fn lines(values: &[f32], width: usize, height: usize) -> Vec<String> {
    let peak = peak(values.iter().copied());
    let steps = height * 8;
    let filled: Vec<Option<usize>> = sampled(values, width)
        .into_iter()
        .map(|value| {
            let share = if peak > 0.0 { value? / peak } else { 0.0 * value? };
            // Something is more than nothing, which is still a line.
            Some(((share * steps as f32).round() as usize).clamp(1 + usize::from(share > 0.0), steps))
        })
        .collect();
    (0..height)
        .rev()
        .map(|row| filled.iter().map(|filled| EIGHTHS[filled.unwrap_or(0).saturating_sub(row * 8).min(8)]).collect())
        .collect()
}

/// One value for each column: the highest of those that belong to it; `None`: none is known.
fn sampled(values: &[f32], width: usize) -> Vec<Option<f32>> {
    let missing = VALUES.saturating_sub(values.len());
    let values = &values[values.len().saturating_sub(VALUES)..];
    (0..width)
        .map(|column| {
            let from = column * VALUES / width;
            let to = ((column + 1) * VALUES / width).max(from + 1);
            let known = from.saturating_sub(missing)..to.saturating_sub(missing).min(values.len());
            if to <= missing { None } else { values.get(known).filter(|some| !some.is_empty()) }
                .map(|some| peak(some.iter().copied()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_at_the_right_and_the_unknown_blank() {
        let line = |values: &[f32]| line(values, VALUES).trim_start().to_string();
        assert_eq!(line(&[0.0, 1.0, 4.0, 8.0]), "▁▂▄█");
        assert_eq!(line(&[]), "");
        assert_eq!(line(&[5.0]), "█");
        assert_eq!(line(&[0.0, 0.0]), "▁▁");
        assert_eq!(line(&[f32::NAN, 1.0]), "▁█");
    }

    #[test]
    fn few_columns_show_the_highest_and_many_repeat() {
        let values: Vec<f32> = (0..60).map(|n| if n == 31 { 100.0 } else { 1.0 }).collect();
        assert_eq!(line(&values, 6), "▂▂▂█▂▂");
        assert_eq!(line(&[1.0, 2.0], 120).trim_start(), "▄▄██");
        assert_eq!(line(&values, 0), "");
    }

    #[test]
    fn several_lines_stand_on_each_other() {
        let lines = lines(&[1.0, 2.0], VALUES, 2);
        assert_eq!([lines[0].trim_start(), lines[1].trim_start()], ["█", "██"]);
    }
}
