//! The hooks: what the operator has prepared to run on a row, and what the last one printed.

use nettop_model::format;
use nettop_views::text;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::{choices, lines, scrolled, titled},
    picture::Picture,
    row::{Body, Height, Room},
};
use crate::{
    state::{HookDialog, HookOutput},
    update,
};

/// Cells of a label.
const LABEL: usize = 24;

/// All lines between tabs and control while it is open, else none.
pub fn height(room: &Room) -> Height {
    room.rest_if(Body::Hooks)
}

/// How many lines the output has at this width.
pub fn length(picture: &Picture, width: u16) -> usize {
    match &picture.state.hooks {
        Some(HookDialog { output: Some(output), .. }) => printed(picture, output, width.into()).len(),
        _ => 0,
    }
}

/// The list, or the output.
///
/// ```text
/// ── Hooks ─────────────────────── on 203.0.113.7, port 443 ──
///   w  whois                    {ip}
/// > t  tell the provider        {ip} {text}     also on syn-flood
/// ```
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let (state, theme) = (picture.state, picture.theme);
    let Some(dialog) = &state.hooks else { return };
    let keys = state.keys();
    if let Some(output) = &dialog.output {
        let note = format!("{} copies, {} closes", keys.first("copy"), keys.first("back"));
        let area = titled(frame, area, theme, &format::visible(&output.title), &note);
        let room = usize::from(area.height);
        lines(frame, area, scrolled(printed(picture, output, area.width.into()), output.top, room));
        return;
    }
    let target = update::hook_target(state, picture.snapshot);
    let on: Vec<_> = [
        target.ip.map(|ip| ip.to_string()),
        target.port.map(|port| format!("port {port}")),
        target.mac.map(|mac| mac.to_string()),
        target.rule.clone(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let on = if on.is_empty() { "nothing is selected".into() } else { format!("on {}", on.join(", ")) };
    let area = titled(frame, area, theme, "Hooks", &format!("{on}; {} runs it", keys.first("run")));
    let rows = picture.snapshot.monitor.hooks.iter().map(|hook| {
        let also = hook.on.as_ref().map_or(String::new(), |rule| format!("  also on {}", format::visible(rule)));
        let label = text::left(&format::visible(&hook.label), LABEL);
        let rest = format!(" {label} {}{also}", hook.needs.join(" "));
        Line::from(vec![Span::styled(hook.key.to_string(), theme.key), Span::styled(rest, theme.text)])
    });
    choices(frame, area, theme, dialog.cursor, rows);
}

fn printed(picture: &Picture, output: &HookOutput, columns: usize) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let style = if output.failed { theme.warn } else { theme.text };
    let wrapped = output.text.lines().flat_map(|line| text::wrap(&format::visible(line), columns.max(8)));
    let mut drawn: Vec<_> = wrapped.map(|line| Line::styled(line, style)).collect();
    if output.cut > 0 {
        drawn.push(Line::styled(format!("… and {} bytes that are not kept", output.cut), theme.dim));
    }
    drawn
}
