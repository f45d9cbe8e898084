//! Styled lines that flow: items set one after another, cut to the columns of the screen.

use nettop_views::text::{ELLIPSIS, head};
use ratatui::text::{Line, Span};

/// Columns between two items of a flow.
const GAP: &str = "  ";

/// A line cut to `columns`, styles kept.
pub fn cut_line(line: Line<'static>, columns: usize) -> Line<'static> {
    if line.width() <= columns {
        return line;
    }
    // The last column is for the sign that something is missing.
    let Some(mut room) = columns.checked_sub(1) else { return Line::default() };
    let mut spans = Vec::new();
    for span in with_styled_spans(line).spans {
        if span.width() > room {
            spans.push(Span::styled(head(&span.content, room) + ELLIPSIS, span.style));
            break;
        }
        room -= span.width();
        spans.push(span);
    }
    Line::from(spans)
}

/// Sets items one after another, most important first, into at most `lines` lines of `columns`. An item is never
/// broken unless it is wider than a line; items that find no room are left out from the end, with a sign.
pub fn flow(items: Vec<Line<'static>>, columns: usize, lines: usize) -> Vec<Line<'static>> {
    let mut flowed: Vec<Line<'static>> = Vec::new();
    let mut items = items.into_iter().filter(|item| item.width() > 0).map(with_styled_spans).peekable();
    while let Some(item) = items.next() {
        let on_last = flowed.len() >= lines;
        let Some(line) = flowed.last_mut().filter(|line| {
            // The last line keeps room for the sign, unless no other item follows.
            let reserve = if on_last && items.peek().is_some() { GAP.len() + 1 } else { 0 };
            line.width() + GAP.len() + item.width() + reserve <= columns
        }) else {
            if on_last {
                if let Some(line) = flowed.last_mut().filter(|line| line.width() + GAP.len() < columns) {
                    line.push_span(format!("{GAP}{ELLIPSIS}"));
                }
                break;
            }
            flowed.push(cut_line(item, columns));
            continue;
        };
        line.push_span(GAP);
        line.spans.extend(item.spans);
    }
    flowed
}

/// The same line, whose style is that of its spans: beside others these are all that is left of it.
pub fn with_styled_spans(line: Line<'static>) -> Line<'static> {
    let style = line.style;
    line.spans.into_iter().map(|span| Span { style: style.patch(span.style), ..span }).collect::<Vec<_>>().into()
}

/// How many columns items take when they flow on one line.
pub fn flow_width(items: &[Line<'static>]) -> usize {
    items.iter().map(|item| item.width() + GAP.len()).sum::<usize>().saturating_sub(GAP.len())
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn what_flows_keeps_its_style_to_itself() {
        let items = vec![
            Line::styled("one", Style::new().red()),
            Line::from("two"),
            Line::styled("three", Style::new().blue()),
        ];
        let lines = flow(items, 40, 1);
        let styles: Vec<_> = lines[0].spans.iter().map(|span| (&*span.content, span.style)).collect();
        let plain = Style::new();
        assert_eq!(styles, [("one", plain.red()), (GAP, plain), ("two", plain), (GAP, plain), ("three", plain.blue())]);
        assert_eq!(lines[0].style, plain);
    }

    #[test]
    fn a_cut_line_shows_that_something_is_missing() {
        assert_eq!(cut_line(Line::from(vec!["ab".into(), "cdef".into()]), 4).to_string(), "abc…");
        assert_eq!(cut_line(Line::from(vec!["ab".into(), "cdef".into()]), 2).to_string(), "a…");
        for columns in 0..40 {
            let text = "2001:db8:1234:5678::日本:1";
            assert!(cut_line(Line::from(vec!["ab".into(), text.into()]), columns).width() <= columns);
        }
    }

    #[test]
    fn a_flow_drops_whole_items_from_the_end() {
        let flowed = |columns, lines| {
            let items = ["one", "two", "three", "four"].into_iter().map(Line::from).collect();
            flow(items, columns, lines).iter().map(Line::to_string).collect::<Vec<_>>()
        };
        assert_eq!(flowed(30, 1), ["one  two  three  four"]);
        assert_eq!(flowed(9, 3), ["one  two", "three", "four"]);
        assert_eq!(flowed(12, 1), ["one  two  …"]);
        assert_eq!(flowed(9, 1), ["one  …"]);
        assert_eq!(flowed(4, 1), ["one"]);
        assert_eq!(flowed(2, 1), ["o…"]);
        assert_eq!(flowed(9, 0), [""; 0]);
    }
}
