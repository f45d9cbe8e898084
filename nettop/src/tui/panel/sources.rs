//! The table of sources, most packets first, and how many there are besides.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{View, lines, titled};
use crate::tui::{
    columns::{self, COLUMNS, Context},
    format,
};

/// From this height on there is room for a rule with a title.
const TITLED_FROM: u16 = 4;

/// Draws it.
pub fn render(frame: &mut Frame, mut area: Rect, view: &View) {
    let (snapshot, theme) = (view.snapshot, view.theme);
    let columns = columns::fit(COLUMNS, area.width);
    let titled_at = area;
    if area.height >= TITLED_FROM {
        area = Rect { y: area.y + 1, height: area.height - 1, ..area };
    }
    let mut drawn = Vec::new();
    if area.height >= 2 {
        let cells = columns.iter().map(|(column, width)| (column.align)(column.title, (*width).into()));
        drawn.push(Line::styled(cells.collect::<Vec<_>>().join(gap()), theme.head));
    }
    let room = usize::from(area.height).saturating_sub(drawn.len());
    let shown = snapshot.ips.len().min(snapshot.runtime.top).min(room);
    for (at, row) in snapshot.ips.iter().take(shown).enumerate() {
        let mut spans = Vec::new();
        for (column, width) in &columns {
            if !spans.is_empty() {
                spans.push(Span::raw(gap()));
            }
            let width = usize::from(*width);
            let context = Context { now_ns: snapshot.now_ns, rank: at + 1, width, flags: theme.flags };
            let cell = (column.align)(&(column.cell)(&row, &context), width);
            spans.push(Span::styled(cell, (column.style)(theme)));
        }
        drawn.push(Line::from(spans));
    }
    lines(frame, area, drawn);
    if titled_at.height >= TITLED_FROM {
        let all = snapshot.ips.len() as u64 + snapshot.rest.sources;
        let note = match all - shown as u64 {
            0 => String::new(),
            more => format!("{} more", format::count(more, 9)),
        };
        titled(frame, titled_at, theme, "Top source IPs", &note);
    }
}

fn gap() -> &'static str {
    const BLANKS: &str = "    ";
    &BLANKS[..usize::from(columns::GAP).min(BLANKS.len())]
}
