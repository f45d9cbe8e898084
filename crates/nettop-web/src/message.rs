//! What the page is told beside tables: at first everything of the last hour, then each pulse, and with each snapshot the state of
//! things in words.

use nettop_model::{
    format::{self, Units},
    order,
    pulse::{Pulse, Pulses},
    snapshot::{Alert, Amount, History, RatePoint, Snapshot, Subject, VERSION},
};
use nettop_views::{
    alert,
    table::{Enter, Id},
};
use serde_json::{Map, Value, json};

use crate::{
    compat,
    view::{self, Opened},
};

/// Alerts that are told, the worst and newest first.
const ALERTS: usize = 50;
/// Evidence and origins of an alert, and characters of a text.
const ITEMS: usize = 24;
const LONGEST: usize = 1_000;

/// The first message.
pub fn hello(pulses: &Pulses, control: bool) -> String {
    json!({
        "type": "hello",
        "version": VERSION,
        "control": control,
        "views": view::catalogue(),
        "tenths": pulses.tenths.iter().map(counts).collect::<Value>(),
        "seconds": pulses.seconds.iter().map(counts).collect::<Value>(),
    })
    .to_string()
}

/// A pulse, with the number of those that were not sent before it.
pub fn pulse(pulses: &Pulses, missed: u64) -> String {
    json!({"type": "pulse", "seq": pulses.count, "missed": missed, "counts": counts(&pulses.newest)}).to_string()
}

/// Time (Unix seconds), seconds since the start, then packets and bytes received, and sent.
fn counts(pulse: &Pulse) -> Value {
    let sent = pulse.sent.unwrap_or_default();
    json!([pulse.at_ns as f64 / 1e9, pulse.seconds, pulse.packets, pulse.bytes, sent.packets, sent.bytes])
}

/// How things are.
pub fn state(snapshot: &Snapshot) -> String {
    let Snapshot { meta, traffic, monitor, egress, processes, drops, flows, .. } = snapshot;
    let runtime = &meta.runtime;
    let link = meta.link.as_deref();
    let mut alerts: Vec<_> = snapshot.alerts.iter().collect();
    // Stable: of equal ones the newest first, as they come.
    order::sort_by_key(&mut alerts, |one| {
        (one.until_ns.is_some(), !one.is_flooding(), std::cmp::Reverse(one.severity))
    });
    let accounts = [
        Some(("received", traffic.accounting.holds)),
        egress.as_deref().map(|egress| ("sent", egress.accounting.holds)),
        processes.as_deref().and_then(|processes| Some(("calls", processes.accounting?.holds))),
        flows.as_deref().map(|flows| ("flows", flows.accounting.holds)),
    ];
    json!({
        "type": "state",
        "tick": monitor.tick.count,
        "now": format::date(meta.now_ns),
        "mode": runtime.mode,
        "paused": runtime.paused,
        "filter": runtime.filter,
        "monitor": link.map(|link| &link.name),
        "lost": link.and_then(|link| link.lost.as_ref()).map(|lost| {
            json!({"since": format::date(lost.since_ns), "since_ns": lost.since_ns, "why": format::visible(&lost.why)})
        }),
        "badges": monitor.degraded.iter().map(|row| {
            json!({"badge": format::visible(&row.badge), "what": format::visible(&row.what),
                "reason": format::visible(&row.reason), "remedy": format::visible(&row.remedy)})
        }).collect::<Value>(),
        "interfaces": monitor.interfaces.iter().map(|row| json!({"name": format::visible(&row.name), "state": row.state.to_string()}))
            .collect::<Value>(),
        "cards": cards(snapshot),
        "accounting": accounting(snapshot),
        "accounts": accounts.into_iter().flatten().map(|(name, holds)| json!({"name": name, "holds": holds})).collect::<Value>(),
        "drops": drops.is_some(),
        "alerts": alerts.iter().take(ALERTS).map(|one| headline(one, meta.now_ns)).collect::<Value>(),
    })
    .to_string()
}

/// The figures at the top.
fn cards(snapshot: &Snapshot) -> Value {
    let traffic = &snapshot.traffic;
    let units = Units::default();
    let estimated = if traffic.unique_estimated { "about " } else { "" };
    json!({
        "sources": format!("{estimated}{}", format::count(traffic.unique_sources, 15)),
        "connections": snapshot.connections.is_some().then(|| format::count(compat::active(snapshot), 15)),
        "packets": format::count(traffic.packets, 20),
        "bytes": units.amount(traffic.bytes),
        "sent": snapshot.egress.as_deref().map(|egress| units.amount(egress.bytes)),
    })
}

/// The parts of the equation, in its order; others follow.
const PARTS: [&str; 9] =
    ["seen", "counted", "filtered", "not_ip", "martian", "blocked", "sources", "evicted", "untracked"];

/// Where every packet went: each part of the equation, and what it sums up to.
fn accounting(snapshot: &Snapshot) -> Value {
    let accounting = serde_json::to_value(snapshot.traffic.accounting).unwrap_or_default();
    let Value::Object(fields) = accounting else { return Value::Null };
    let known = |name: &str| PARTS.iter().position(|part| *part == name).unwrap_or(PARTS.len());
    let mut fields: Vec<_> = fields.into_iter().collect();
    order::sort_by_key(&mut fields, |(name, _)| known(name));
    let shown = fields.into_iter().filter_map(|(name, value)| {
        let amount: Amount = serde_json::from_value(value).ok().filter(|_| name != "holds")?;
        let packets = format::count(amount.packets, 20);
        Some(
            json!({"name": name.replace('_', " "), "packets": packets, "bytes": Units::default().amount(amount.bytes)}),
        )
    });
    json!({"holds": snapshot.traffic.accounting.holds, "parts": shown.collect::<Value>()})
}

fn headline(one: &Alert, now_ns: u64) -> Value {
    json!({
        "key": format!("{:?}", Id::from(one)),
        "severity": one.severity.label(),
        "state": alert::state(one),
        "flooding": one.is_flooding(),
        "title": alert::title(&one.kind),
        "what": cut(&alert::what(one)),
        "whom": alert::whom(one, false),
        "since": alert::since(one, now_ns),
        "how_hard": alert::how_hard(one, Units::default()),
        "who": who(one),
        "advice": cut(&one.advice),
    })
}

/// Who sends it, in words.
fn who(one: &Alert) -> Vec<String> {
    let mut told: Vec<_> = alert::sender(one).iter().map(ToString::to_string).collect();
    if alert::is_of_sources(one) && one.count > 1 {
        let forged = if one.forged { ", forged most likely" } else { "" };
        told.push(format!("at least {} sources{forged}", format::count(one.count, 11)));
    }
    told.extend(one.sources.iter().take(3).map(|source| format!("{} ({} pps)", source.ip, format::pps(source.pps))));
    told.extend(one.origins.iter().take(3).map(|share| format!("{} {}", cut(&share.of), format::percent(share.share))));
    told
}

/// What can be seen of a text that somebody else may have sent.
fn cut(text: &str) -> String {
    format::visible(&text.chars().take(LONGEST).collect::<String>())
}

/// Everything known of a row.
pub fn detail(
    snapshot: &Snapshot,
    view: &str,
    key: &str,
    opened: Option<&Opened>,
    history: Option<&History>,
) -> String {
    let Some(opened) = opened else {
        return json!({"type": "detail", "view": view, "key": key, "gone": true}).to_string();
    };
    let found = match opened.enter {
        Enter::Alert(id) => snapshot.alerts.iter().find(|one| one.id == id),
        _ => None,
    };
    let leads_to = view::leads_to(&found.map_or(opened.enter.clone(), alert::leads_to));
    json!({
        "type": "detail",
        "view": view,
        "key": key,
        "gone": false,
        "id": opened.key.to_string(),
        "facts": found.map_or_else(|| facts(&opened.fields), |one| answers(one, snapshot.meta.now_ns)),
        "history": history.map(charted),
        "net": blockable(opened),
        "leads_to": leads_to.map(|(view, filter)| json!({"view": view, "filter": filter})),
    })
    .to_string()
}

/// What of a row can be blocked, and whether it is: an address or a prefix that packets come from.
fn blockable(opened: &Opened) -> Option<Value> {
    let (net, blocked) = match (&opened.key, &opened.enter) {
        (Id::Block(net), _) => (net.to_string(), true),
        (_, Enter::Detail(Subject::Source(ip))) => (ip.to_string(), false),
        (_, Enter::Detail(Subject::Prefix(prefix))) => (prefix.to_string(), false),
        _ => return None,
    };
    Some(json!({"net": net, "blocked": blocked}))
}

/// What has a history, if the row does.
pub fn subject(opened: &Opened) -> Option<Subject> {
    match opened.enter {
        Enter::Detail(subject) => Some(subject),
        _ => None,
    }
}

/// Questions about an alert, and their answers.
fn answers(one: &Alert, now_ns: u64) -> Value {
    let texts = |texts: &[String]| texts.iter().take(ITEMS).map(|text| cut(text)).collect::<Vec<_>>();
    let made_of: Vec<_> = one
        .vectors
        .iter()
        .take(ITEMS)
        .map(|vector| {
            let (title, made) = (alert::title(&vector.kind), alert::made_of(vector, false));
            let (pps, rate) = (format::pps(vector.pps), Units::default().rate(vector.bps));
            let made = if made.is_empty() { String::new() } else { format!(" ({made})") };
            format!("{title} {pps} pps, {rate}, {} of it{made}", format::percent(vector.share))
        })
        .collect();
    let asked = [
        ("what", vec![format!("{}, {}, {}", alert::what(one), one.severity.label(), alert::state(one))]),
        ("whom", alert::whom(one, false).into_iter().collect()),
        ("since", alert::since(one, now_ns)),
        ("how hard", alert::how_hard(one, Units::default())),
        ("made of", made_of),
        ("from where", who(one)),
        ("not known", alert::unknown(one)),
        ("rests on", texts(&one.evidence)),
        ("what to do", texts(std::slice::from_ref(&one.advice))),
    ];
    let told = asked.into_iter().filter(|(_, told)| told.iter().any(|text| !text.is_empty()));
    told.map(|(name, told)| json!([name, cut(&told.join("; "))])).collect()
}

/// The fields of a row, in words.
fn facts(fields: &Map<String, Value>) -> Value {
    let told = fields.iter().filter_map(|(name, value)| Some(json!([called(name), fact(name, value)?])));
    told.collect()
}

/// A field's name in words; the unit is in the value.
fn called(name: &str) -> String {
    let name = ["_ns", "_us"].iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name);
    name.replace('_', " ")
}

fn fact(name: &str, value: &Value) -> Option<String> {
    let number = value.as_f64();
    let text = match (name, value, number) {
        (_, Value::Null, _) => return None,
        (_, Value::String(text), _) if text.is_empty() => return None,
        (_, Value::Array(items), _) if items.is_empty() => return None,
        (_, Value::Object(items), _) if items.is_empty() => return None,
        (name, _, Some(ns)) if name.ends_with("_ns") => format::date(ns as u64),
        (name, _, Some(rate)) if name.ends_with("bps") => Units::default().rate(rate),
        (name, _, Some(rate)) if name.contains("pps") => format!("{} pps", format::pps(rate)),
        (name, _, Some(bytes)) if name.ends_with("bytes") => Units::default().amount(bytes as u64),
        (name, _, Some(us)) if name.ends_with("_us") => format!("{us} µs"),
        (_, Value::Number(number), _) => number.as_u64().map_or_else(|| number.to_string(), |it| format::count(it, 20)),
        (_, Value::String(text), _) => text.clone(),
        (_, Value::Bool(is), _) => if *is { "yes" } else { "no" }.into(),
        (_, Value::Array(items), _) => {
            let items: Vec<_> = items.iter().take(ITEMS).filter_map(|item| fact("", item)).collect();
            items.join(", ")
        }
        (_, Value::Object(items), _) => {
            let items = items.iter().take(ITEMS);
            let items: Vec<_> =
                items.filter_map(|(name, item)| Some(format!("{name}: {}", fact(name, item)?))).collect();
            items.join(", ")
        }
    };
    Some(cut(&text))
}

/// Rates as the page draws them: packets and bytes per second.
fn charted(history: &History) -> Value {
    let points = |points: &[RatePoint]| points.iter().map(|point| json!([point.pps, point.bps])).collect::<Value>();
    json!({
        "seconds": points(&history.seconds),
        "tens": points(&history.tens),
        "sent_seconds": points(&history.sent_seconds),
        "sent_tens": points(&history.sent_tens),
    })
}
