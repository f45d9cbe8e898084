//! The help: what is degraded and what to do about it, the keys from their table, the views, and how to filter a view.

use nettop_model::{format, request::COMMANDS};
use nettop_views::{text, view::VIEWS};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    degraded,
    drawing::{lines, scrolled, titled},
    picture::Picture,
    row::{Body, Height, Room},
};
use crate::bindings::label;

/// Columns of a key, or of whatever is explained.
const NAME: usize = 16;

/// How to filter a view.
const FILTER: &[(&str, &str)] = &[
    ("text", "rows with this text: an address, name, place, network, service, message; \"in quotes\" with blanks"),
    ("ip:10.0.0.0/8", "an address or a prefix; several with commas"),
    ("src: dst:", "likewise, where packets come from, or go to"),
    ("port:80,8000-8100", "a port, of sources one they were sampled with; those without detail cannot be judged"),
    ("lport: rport:", "of connections, the port at this end, at the other end; also sport: dport:"),
    ("state:listen", "of connections, the state, from its beginning; dir:in, dir:out who began them"),
    ("ns:other", "of connections, those of other network namespaces; also ns:own, or the inode of one"),
    ("nat:source", "of flows, what is translated: source, destination, both, none"),
    ("scope:local", "this host alone; also private, multicast, public: of an address, or of a connection's other end"),
    ("process:nginx", "what the process calls itself; also pid:, unit: (or container), owner: (number of a user)"),
    ("proto:udp", "a protocol, as sampled"),
    ("country:DE", "the code of a country"),
    ("asn:13335", "the number of a network"),
    ("mac:02:42", "a MAC address, or a part of one"),
    (
        "pps>1k",
        "also packets, bytes, ips, peak; of connections tx, rx (bytes), rtt (ms), retrans; > >= < <= =; k M G, Ki Mi Gi",
    ),
    (
        "status:4xx path:",
        "of requests, the status of the answer (of addresses, its class), and a part of what was asked for; user: of logins",
    ),
    ("reason:burst", "of addresses in logs, why they are suspicious; seen:no whether the kernel saw packets of them"),
    ("req>60 auth>3", "of addresses in logs, requests in the last minute, failed logins"),
    ("! and or ( )", "not, both (as is a blank), either, grouped"),
];

/// How many lines it has at this width.
pub fn length(picture: &Picture, width: u16) -> usize {
    all(picture, width.into()).len()
}

/// All lines between tabs and control while the help is open, else none.
pub fn height(room: &Room) -> Height {
    room.rest_if(Body::Help)
}

/// As many lines as there is room for, from the first that was scrolled to.
pub fn render(frame: &mut Frame, area: Rect, picture: &Picture) {
    let first = |id| picture.state.keys().first(id);
    let note = format!("{} {} scroll, {} closes", first("up"), first("down"), first("back"));
    let area = titled(frame, area, picture.theme, "Help", &note);
    let room = usize::from(area.height);
    lines(frame, area, scrolled(all(picture, area.width.into()), picture.state.help.unwrap_or_default(), room));
}

fn all(picture: &Picture, columns: usize) -> Vec<Line<'static>> {
    let (theme, keys) = (picture.theme, picture.state.keys());
    let mut drawn = Vec::new();
    let mut part = |title: &str, rows: Vec<(String, String)>| {
        if rows.is_empty() {
            return;
        }
        if !drawn.is_empty() {
            drawn.push(Line::default());
        }
        drawn.push(Line::styled(title.to_string(), theme.title));
        for (name, about) in rows {
            let beside = text::width(&name) <= NAME;
            let mut about = text::wrap(&about, columns.saturating_sub(NAME + 1)).into_iter();
            let first = if beside { about.next().unwrap_or_default() } else { String::new() };
            drawn.push(Line::from(vec![
                Span::styled(text::left(&name, NAME.max(text::width(&name))), theme.key),
                Span::styled(format!(" {first}"), theme.text),
            ]));
            let indent = " ".repeat(NAME + 1);
            drawn.extend(about.map(|line| Line::styled(format!("{indent}{line}"), theme.text)));
        }
    };
    let troubles = degraded::all(picture).map(|row| {
        let [what, reason, remedy] = [&row.what, &row.reason, &row.remedy].map(|text| format::visible(text));
        let said: Vec<_> = [what, reason, remedy].into_iter().filter(|text| !text.is_empty()).collect();
        (format!("! {}", row.badge), said.join("; "))
    });
    part("What is degraded, why, and what to do", troubles.collect());
    part(
        "Keys",
        keys.all()
            .filter(|(_, keys)| !keys.is_empty())
            .map(|(action, keys)| (label(keys), action.help.into()))
            .collect(),
    );
    part("Views", VIEWS.iter().map(|view| (view.name().to_string(), view.about().into())).collect());
    part(
        &format!("Filter of a view ({})", keys.first("find")),
        FILTER.iter().map(|(name, about)| (name.to_string(), about.to_string())).collect(),
    );
    let rows = COMMANDS.iter().map(|command| (format!("nettopctl {}", command.name), command.help.into()));
    part("From another terminal", rows.collect());
    drawn
}
