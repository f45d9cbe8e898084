//! What the monitor itself costs.

use nettop_model::{
    format,
    snapshot::{SandboxLayer, SelfStats, Tick},
};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    drawing::{lines, titled},
    picture::Picture,
    row::{Body, Height, Room},
};

/// Its lines, the title included.
const LINES: u16 = 6;

/// Its height; beside others it has theirs.
pub fn height(room: &Room) -> Height {
    if room.body == Body::Overview && room.is_stacked() { Height::exactly(LINES) } else { Height::NONE }
}

/// A line for each cost, with its unit: ns per packet, ms per tick and reading, % of one CPU, bytes of memory.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let SelfStats { cpu, memory, kernel_memory, drain_ms, packet_ns, packet_ns_hint, .. } =
        &picture.snapshot.monitor.overhead;
    let Tick { took_ms, late, count, .. } = picture.snapshot.monitor.tick;
    let packet = match packet_ns {
        Some(ns) => format!("{ns:.0} ns in the kernel"),
        None => packet_ns_hint.as_deref().unwrap_or("no packets").to_string(),
    };
    let late = format!("{} of {} late", format::short(late), format::short(count));
    let rows = [
        ("packet", packet),
        ("tick", format!("{took_ms:.1} ms, {late}")),
        ("reading", format!("{drain_ms:.1} ms at most")),
        ("CPU", format!("{:.1} % of one", cpu * 100.0)),
        ("memory", format!("{}, kernel {}", format::bytes(*memory), format::bytes(*kernel_memory))),
    ];
    let theme = picture.theme;
    let area = titled(frame, area, theme, "Self", &sandbox(&picture.snapshot.monitor.sandbox));
    let line = |(name, value): (&str, String)| {
        Line::from(vec![Span::styled(format!("{name:<8}"), theme.label), Span::styled(value, theme.text)])
    };
    lines(frame, area, rows.map(line).into());
}

/// Whether its sandbox holds, or what of it does not.
fn sandbox(guards: &[SandboxLayer]) -> String {
    let missing: Vec<_> = guards.iter().filter(|guard| !guard.holds).map(|guard| &*guard.part).collect();
    match missing[..] {
        _ if guards.is_empty() => String::new(),
        [] => "sandboxed".into(),
        _ => format!("sandbox without {}", missing.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_is_named() {
        let guard = |part: &'static str, holds| SandboxLayer { part: part.into(), holds, detail: String::new() };
        assert_eq!(sandbox(&[]), "");
        assert_eq!(sandbox(&[guard("files", true)]), "sandboxed");
        assert_eq!(sandbox(&[guard("files", true), guard("TCP", false)]), "sandbox without TCP");
    }
}
