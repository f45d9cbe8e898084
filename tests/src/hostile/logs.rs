//! Lines of logs, formats that somebody wrote, and what the engine makes of all of it.

use nettop_collect::logs::{AuthEvent, Entry, FileFacts, Lines, LogReading, Request, What};
use nettop_engine::{
    detect::Thresholds,
    logs::{Around, Known, LogState},
};
use nettop_logs::{
    MOST_TEXT,
    auth::{Auth, Said},
    format::{Access, Auto, Choice, Format, PRESETS, Parsed, compile},
};
use nettop_model::{clock::Moment, visible::visible};

use super::expect_visible;

/// When all of it is read.
const NOW: u64 = 1_800_000_000_000_000_000;

/// Reads the first line of `data` as a format, in every form in which one is written, and all lines by each format that there is.
pub fn log_line(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let first = text.lines().next().unwrap_or_default();
    let mut formats: Vec<Format> = compile::named(&text).unwrap_or_default();
    formats.extend(Format::parse(first, &[]));
    formats.extend(Format::parse("combined", &[]));
    formats.extend(PRESETS.iter().filter_map(|preset| Format::parse(preset.name, &[]).ok()));
    let access = Access { trusted: vec!["10.0.0.0/8".parse().expect("a network")], ..Access::default() };
    let mut entries = Vec::new();
    for format in &mut formats {
        for line in text.lines() {
            entries.extend(access.read(format, line).ok().and_then(entry));
        }
    }
    let mut auto = Auto::new(&Choice::Auto(formats));
    auto.learn(&access, data);
    entries.extend(text.lines().filter_map(|line| auto.read(&access, line).ok().and_then(entry)));
    enter(entries);
}

/// Reads lines as JSON, by paths that the first line says and by those of the presets.
pub fn log_json(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let first = text.lines().next().unwrap_or_default();
    let paths = [first.to_string(), "client=a.b.c,status=s,time=t,request=r,agent=a.u".into()];
    let written = paths.iter().filter_map(|paths| Format::parse(&format!("json:{paths}"), &[]).ok());
    let presets = ["caddy", "traefik", "json"].iter().filter_map(|name| Format::parse(name, &[]).ok());
    let access = Access { query: true, ..Access::default() };
    let mut entries = Vec::new();
    for mut format in written.chain(presets) {
        for line in text.lines().chain([&*text]) {
            entries.extend(access.read(&mut format, line).ok().and_then(entry));
        }
    }
    enter(entries);
}

/// Reads lines as those of a log of logins, one after the other, and once more.
pub fn auth_line(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut auth = Auth::default();
    let mut entries = Vec::new();
    for line in text.lines().chain(text.lines()) {
        let Said::Event { at_ns, client, event } = auth.read(line, NOW, 3600) else { continue };
        let what = What::Auth(event);
        entries.push(Entry { file: 0, at_ns: at_ns.unwrap_or(NOW), client, peer: None, old: false, what });
    }
    enter(entries);
}

fn entry(parsed: Parsed) -> Option<Entry> {
    let Parsed::Request { at_ns, client, peer, request } = parsed else { return None };
    Some(Entry { file: 0, at_ns: at_ns.unwrap_or(NOW), client, peer, old: false, what: What::Request(request) })
}

/// Expects texts to be bounded and addresses to be canonical, and the engine's accounts to hold.
fn enter(entries: Vec<Entry>) {
    let mut lines = Lines::default();
    for Entry { client, peer, what, .. } in &entries {
        client.iter().chain(peer).for_each(|ip| assert_eq!(*ip, ip.to_canonical()));
        let texts = match what {
            What::Request(Request { method, target, agent, .. }) => [method, target, agent],
            What::Auth(AuthEvent { service, user, text, .. }) => [service, user, text],
        };
        assert!(texts.iter().all(|text| text.len() <= MOST_TEXT), "{what:?}");
        lines.lines += 1;
        lines.parsed += 1;
        *if client.is_some() { &mut lines.attributed } else { &mut lines.no_address } += 1;
    }
    let at = Moment { monotonic_ns: 1, unix_ns: NOW };
    let files = vec![FileFacts { path: "log".into(), format: "x".into(), lines }];
    let reading = LogReading { at, entries, files, ..LogReading::default() };
    let recorded: LogReading =
        serde_json::from_value(serde_json::to_value(&reading).expect("JSON")).expect("a reading");
    assert_eq!(recorded, reading, "recorded and read");
    let mut state = LogState::default();
    state.enter(reading, &Thresholds::default());
    let accounting = state.accounting();
    assert!(accounting.holds, "{accounting:?}");
    for suspect in state.suspects(at, &Thresholds::default(), &Around::default()) {
        assert!(suspect.value.is_finite() && suspect.value >= 0.0, "{suspect:?}");
        expect_visible("what is said of a suspect", &visible(&suspect.text));
    }
    let visits = state.visits(0, &|_| Known::default(), None).expect("a reading was entered");
    assert_eq!(visits.rows.iter().filter(|row| !row.reasons.is_empty()).count() as u64, visits.suspicious);
    assert!(state.log(0).expect("likewise").rows.len() <= 2000);
}
