//! What a block would do, while it is asked for.

use nettop_model::{format, net::Net, snapshot::With};
use nettop_views::text;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use serde_json::Value;

use super::{
    drawing::{lines, titled},
    picture::Picture,
    row::{Height, Room},
};
use crate::prompt::{Act, Purpose};

/// Columns of what a line is about.
const LABEL: usize = 13;
/// Columns of a prefix, and how many of them are shown.
const NET: usize = 20;
const MOST_PREFIXES: usize = 12;

/// As many lines as it has, while it is open.
pub fn height(room: &Room) -> Height {
    Height::up_to(shown(room.picture, room.screen.width.into()).map_or(0, |(_, lines)| 1 + lines.len() as u16))
}

/// Draws it.
///
/// ```text
/// ── Block 203.0.113.7 ─────────────────────────────
/// how (Tab)     print xdp [iptables]: a rule that is removed when its time is over or nettop ends
/// drops now     14k pps of 1 source, 2 connections
/// counted       1,402,331 packets, Germany, AS64511 Beispiel
/// seen          yes
/// guards        none refuses
/// iptables      iptables -w -I INPUT -s 203.0.113.7 -j DROP
/// ```
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let Some((title, told)) = shown(picture, area.width.into()) else { return };
    let area = titled(frame, area, picture.theme, &title, "nothing is done yet");
    lines(frame, area, told);
}

/// The title, and what is told; `None`: nothing is asked.
fn shown(picture: &Picture, columns: usize) -> Option<(String, Vec<Line<'static>>)> {
    match picture.state.prompt.as_ref()?.purpose {
        Purpose::Act(Act::Block, net) => Some((format!("Block {net}"), told(picture, net, columns))),
        Purpose::Cover => Some(("Block what carries most of it".into(), cover(picture))),
        _ => None,
    }
}

/// The prefixes, what each sends, and whose connections it has.
fn cover(picture: &Picture) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let Some(found) = &picture.state.plan else {
        return vec![Line::styled("looking for the fewest prefixes that carry most of it …", theme.dim)];
    };
    let rows: Vec<_> = found["prefixes"].as_array().into_iter().flatten().collect();
    let number = |row: &Value, field: &str| row[field].as_u64().unwrap_or_default();
    let pps = |row: &Value| format::pps(row["pps"].as_f64().unwrap_or_default());
    let sum = |field: &str| rows.iter().map(|row| number(row, field)).sum::<u64>();
    let (connections, visitors) = (sum("connections"), sum("visitors"));
    let share = found["share"].as_f64().unwrap_or_default() * 100.0;
    let mut drawn = vec![
        methods(picture),
        Line::styled(
            format!(
                "{} carry {share:.0} % of {} pps; {}",
                many(rows.len() as u64, "prefix", "prefixes"),
                pps(found),
                match (connections, visitors) {
                    (0, 0) => "nobody who is connected is in them".into(),
                    (0, _) => format!("cuts off {}", many(visitors, "visitor", "visitors")),
                    (_, 0) => format!("{} would be cut, too", many(connections, "connection", "connections")),
                    _ => format!(
                        "cuts {}, {}",
                        many(connections, "connection", "connections"),
                        many(visitors, "visitor", "visitors")
                    ),
                }
            ),
            if connections + visitors > 0 { theme.warn } else { theme.good },
        ),
    ];
    for row in rows.iter().take(MOST_PREFIXES) {
        let net = text::left(&format::visible(row["net"].as_str().unwrap_or_default()), NET);
        let rest = format!("{} pps of {}", pps(row), many(number(row, "sources"), "source", "sources"));
        let mut line = Line::from(vec![Span::styled(net, theme.value), Span::styled(format!(" {rest}"), theme.text)]);
        if number(row, "connections") > 0 {
            let bytes = format::count(number(row, "bytes"), 9);
            let cut = many(number(row, "connections"), "connection", "connections");
            line.push_span(Span::styled(format!("  {cut} with {bytes} bytes"), theme.warn));
        }
        if number(row, "visitors") > 0 {
            let cut = many(number(row, "visitors"), "visitor", "visitors");
            line.push_span(Span::styled(format!("  {cut}"), theme.warn));
        }
        if !row["refused"].is_null() {
            let guard = row["refused"]["guard"].as_str().unwrap_or_default();
            line.push_span(Span::styled(format!("  left out: {}", format::visible(guard)), theme.error));
        }
        drawn.push(line);
    }
    let more = rows.len().saturating_sub(MOST_PREFIXES);
    if more > 0 {
        drawn.push(Line::styled(format!("and {more} more; nettopctl cover tells all"), theme.dim));
    }
    drawn
}

fn many(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", format::count(number, 15), if number == 1 { one } else { more })
}

/// The ways to make it, the chosen one in brackets, and what that means.
fn methods(picture: &Picture) -> Line<'static> {
    let label = text::left("how (Tab)", LABEL + 1);
    Line::from(vec![Span::styled(label, picture.theme.label), Span::styled(ways(picture), picture.theme.text)])
}

fn ways(picture: &Picture) -> String {
    let chosen = picture.state.block_with;
    let methods = picture.snapshot.blocks.as_deref().map_or(&[][..], |blocks| &blocks.methods);
    let shown = methods.iter().map(|with| match *with == chosen {
        true => format!("[{}]", with.label()),
        false => with.label().to_string(),
    });
    format!("{}: {}", shown.collect::<Vec<_>>().join(" "), about(chosen))
}

fn told(picture: &Picture, net: Net, columns: usize) -> Vec<Line<'static>> {
    let theme = picture.theme;
    let Some(plan) = &picture.state.plan else { return vec![Line::styled("asking what that would do …", theme.dim)] };
    let mut drawn = Vec::new();
    let mut push = |label: &str, value: &str, style| {
        let wrapped = text::wrap(&format::visible(value), columns.saturating_sub(LABEL + 1).max(8));
        for (at, line) in wrapped.into_iter().enumerate() {
            let label = text::left(if at == 0 { label } else { "" }, LABEL + 1);
            drawn.push(Line::from(vec![Span::styled(label, theme.label), Span::styled(line, style)]));
        }
    };
    let number = |field: &str| plan[field].as_u64().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let pps = format::pps(plan["pps"].as_f64().unwrap_or_default());
    let connections = match plan["connections"].as_u64() {
        Some(0) => ", no connection".into(),
        Some(one @ 1) => format!(", {one} connection"),
        Some(many) => format!(", {many} connections"),
        None => String::new(),
    };
    let sources = match number("sources") {
        1 => "1 source".into(),
        many => format!("{} sources", format::count(many, 15)),
    };
    push("how (Tab)", &ways(picture), theme.text);
    let has_connections = number("connections") > 0;
    let style = if has_connections { theme.warn } else { theme.text };
    push("drops now", &format!("{pps} packets per second, of {sources}{connections}"), style);
    let place: Vec<_> = plan["place"].as_array().into_iter().flatten().map(text).collect();
    let counted = format::count(plan["counted"]["packets"].as_u64().unwrap_or_default(), 19);
    let place = if place.is_empty() { String::new() } else { format!("; {}", place.join(", ")) };
    push("until now", &format!("{counted} packets counted{place}"), theme.text);
    push("seen", &format!("{} (packets of it in the last ten minutes)", text(&plan["seen"])), theme.text);
    // Of who is in the logs for a reason, it is no harm.
    if let Some(visitors @ 1..) = plan["visitors"].as_u64() {
        let told =
            format!("{} with ordinary requests in the last hour, by the logs", many(visitors, "address", "addresses"));
        push("cuts off", &told, theme.warn);
    }
    match &plan["refused"] {
        Value::Null => push("guards", "none refuses", theme.good),
        refused => {
            let yields = if refused["yields"] == true { "type the address, too" } else { "nothing overrides that" };
            let told = format!("{}: {}; {yields}", text(&refused["guard"]), text(&refused["why"]));
            push("guards", &told, theme.error);
        }
    }
    if !net.is_address() {
        push("a prefix", "lasts for 60 s at most, unless the prefix is typed, too", theme.warn);
    }
    if plan["blocked"] == true {
        push("now", "it is blocked already: this renews it", theme.warn);
    }
    for command in commands(&plan["commands"], picture.state.block_with) {
        push(&text(&command["firewall"]), &text(&command["block"]), theme.dim);
    }
    drawn
}

/// Those that the way to block is about: of `print` the firewalls that the host uses, or all where it uses none.
fn commands(all: &Value, with: With) -> Vec<&Value> {
    let all: Vec<_> = all.as_array().into_iter().flatten().collect();
    let chosen =
        |is_chosen: &dyn Fn(&Value) -> bool| all.iter().copied().filter(|one| is_chosen(one)).collect::<Vec<_>>();
    let in_use = chosen(&|one| one["in_use"] == true);
    match with {
        With::Print if !in_use.is_empty() => in_use,
        With::Print => all,
        other => chosen(&|one| one["firewall"] == other.label()),
    }
}

/// What a way to block means for whoever chooses it.
fn about(with: With) -> &'static str {
    match with {
        With::Print => "nothing is done; the commands are below",
        With::Xdp => "dropped before the kernel sees it, gone when nettop ends",
        With::Nft => "in a table of its own, which goes on when nettop ends, until its time is over",
        With::Ufw | With::Iptables => "a rule that is removed when its time is over or nettop ends",
        With::Firewalld => "a rule with a time, which goes on when nettop ends",
    }
}
