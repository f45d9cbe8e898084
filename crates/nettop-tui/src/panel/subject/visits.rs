//! What logs claim of a source: requests and logins, reasons, what its newest lines have most often.

use nettop_model::{
    format,
    snapshot::{LogLine, VisitRow, Visitor},
};
use nettop_views::view::log;
use ratatui::text::{Line, Span};

use super::fact;
use crate::panel::{log_lines, picture::Picture};

/// Columns of a name at most.
const NAME: usize = 60;
/// Classes of status, as [`VisitRow::statuses`] has them.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// What the engine has told of the address that is looked at.
fn visitor<'a>(picture: &Picture<'a>) -> Option<&'a Visitor> {
    picture.state.detail.as_ref()?.history.as_ref()?.visitor.as_deref()
}

/// Its sums.
pub fn facts(picture: &Picture) -> Vec<Line<'static>> {
    let Some(visit) = visitor(picture).and_then(|visitor| visitor.visit.as_ref()) else { return Vec::new() };
    let count = |count| format::count(count, 15);
    let mut facts = Vec::new();
    if visit.requests > 0 {
        let text = format!("{}, {} in the last minute", count(visit.requests), count(visit.requests_60s));
        facts.push(fact(picture, "requests", text));
        facts.push(fact(picture, "answered", picture.state.units.amount(visit.bytes)));
    }
    let logins = [("failed", visit.failures), ("weak", visit.weak), ("accepted", visit.accepted)];
    let logins = logins.into_iter().filter(|(_, times)| *times > 0);
    let logins: Vec<_> = logins.map(|(name, times)| format!("{} {name}", count(times))).collect();
    if !logins.is_empty() {
        facts.push(fact(picture, "logins", logins.join(", ")));
    }
    facts.push(fact(picture, "in logs", services(visit)));
    facts.push(fact(picture, "seen", visit.seen.label().into()));
    if !visit.peers.is_empty() {
        let peers: Vec<_> = visit.peers.iter().map(ToString::to_string).collect();
        facts.push(fact(picture, "through", peers.join(", ")));
    }
    facts
}

/// Why it is suspicious, the newest first.
pub fn reasons(picture: &Picture) -> Vec<String> {
    let reasons = visitor(picture)
        .and_then(|visitor| visitor.visit.as_ref())
        .into_iter()
        .flat_map(|visit| visit.reasons.iter().rev());
    let told = reasons.map(|reason| {
        let ago = format::ago(picture.snapshot.meta.now_ns, reason.at_ns);
        format!("{}: {} ({ago} ago)", format::visible(&reason.kind), format::visible(&reason.text))
    });
    told.collect()
}

fn services(visit: &VisitRow) -> String {
    match visit.services.is_empty() {
        true => "no line".into(),
        false => format::visible(&visit.services.join(", ")),
    }
}

/// What its newest lines have most often, and these lines.
pub fn groups(picture: &Picture) -> Vec<(&'static str, Vec<Line<'static>>)> {
    let Some(visitor) = visitor(picture) else { return Vec::new() };
    let statuses = visitor.visit.iter().flat_map(|visit| CLASSES.into_iter().zip(visit.statuses));
    let statuses = statuses.filter(|(_, count)| *count > 0).map(|(class, count)| {
        let theme = picture.theme;
        Line::from(vec![
            Span::styled(class, theme.text),
            Span::styled(format!(" {}", format::short(count)), theme.value),
        ])
    });
    let most = |of| log_lines::most(picture, visitor, of, NAME);
    let groups = [
        ("status", statuses.collect()),
        ("paths", most(|line: &LogLine| if log::is_request(line) { &line.text } else { "" })),
        ("agents", most(|line: &LogLine| if log::is_request(line) { &line.who } else { "" })),
        ("users", most(|line: &LogLine| if log::is_request(line) { "" } else { &line.who })),
    ];
    groups.into_iter().filter(|(_, lines): &(_, Vec<_>)| !lines.is_empty()).collect()
}

/// Its newest lines.
pub fn lines(picture: &Picture) -> Vec<Line<'static>> {
    let lines = visitor(picture).map(|visitor| &visitor.lines[..]).unwrap_or_default();
    log_lines::drawn(picture, lines.iter().map(|line| &**line), false)
}
