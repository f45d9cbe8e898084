//! The strip that says what does not work as it should, why, and what to do. Shown only while there is something.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{View, lines};
use crate::tui::{format, text};

/// Columns before a row's text: the sign on its first line, blanks on the others.
const SIGN: &str = "! ";

/// How many lines it wants.
pub fn height(view: &View, width: u16) -> u16 {
    let lines: usize = rows(view, width).iter().map(Vec::len).sum();
    u16::try_from(lines).unwrap_or(u16::MAX)
}

/// Draws it: as many whole rows as fit, and how many there are besides.
pub fn render(frame: &mut Frame, area: Rect, view: &View) {
    let rows = rows(view, area.width);
    let height = usize::from(area.height);
    let total: usize = rows.iter().map(Vec::len).sum();
    if total <= height {
        let all = rows.into_iter().flatten().map(|line| Line::styled(line, view.theme.warn)).collect();
        return lines(frame, area, all);
    }
    let mut drawn: Vec<String> = Vec::new();
    let mut left_out = 0;
    for mut row in rows {
        // The last line is for the count of what is left out; a single line belongs to the first row.
        let room = height.saturating_sub(1).max(1).saturating_sub(drawn.len());
        if left_out > 0 || room == 0 {
            left_out += 1;
        } else if row.len() > room {
            row.truncate(room);
            if let Some(last) = row.last_mut() {
                last.push('…');
            }
            drawn.extend(row);
        } else {
            drawn.extend(row);
        }
    }
    if left_out > 0 && drawn.len() < height {
        drawn.push(format!("{SIGN}{left_out} more: nettopctl status"));
    }
    lines(frame, area, drawn.into_iter().map(|line| Line::styled(line, view.theme.warn)).collect());
}

fn rows(view: &View, width: u16) -> Vec<Vec<String>> {
    let columns = usize::from(width).saturating_sub(SIGN.len());
    view.snapshot
        .degraded
        .iter()
        .map(|row| {
            let [what, reason, remedy] = [&row.what, &row.reason, &row.remedy].map(|text| format::visible(text));
            let parts = [what, reason].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
            let whole = if remedy.is_empty() { parts } else { format!("{parts}; {remedy}") };
            text::wrap(&whole, columns)
                .into_iter()
                .enumerate()
                .map(|(at, line)| if at == 0 { format!("{SIGN}{line}") } else { format!("  {line}") })
                .collect()
        })
        .collect()
}
