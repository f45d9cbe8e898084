//! How well auth logs and access logs are read, by the labels of others: fail2ban's corpus of sshd and CrowdSec's asserted events of HTTP. Neither is a part
//! of this repository. To judge, check them out, name the folder of `fail2ban/tests/files/logs` in `NETTOP_FAIL2BAN` and that of CrowdSec's `hub/.tests` in
//! `NETTOP_HUB`, and run `cargo test -p nettop-logs --test corpus -- --ignored --nocapture`.

use std::{collections::BTreeMap, fs, net::IpAddr, path::PathBuf};

use nettop_logs::{
    Login,
    auth::{Auth, Said},
    format::{Access, Auto, Choice, Parsed},
};

/// The day of which the corpus is, about.
const NOW: u64 = 1_119_400_000_000_000_000;

fn folder(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} names no folder")).into()
}

/// A labelled line: what it is expected to tell, in as many modes as its block is judged in.
struct Labelled {
    line: String,
    is_failure: bool,
    host: Option<String>,
    modes: usize,
    /// Whether it was cut off, so that it may tell less than its label.
    is_cut: bool,
}

fn labelled(name: &str) -> Vec<Labelled> {
    let text = fs::read(folder("NETTOP_FAIL2BAN").join(name)).expect("the corpus");
    let (mut rows, mut label, mut modes) = (Vec::new(), None, Vec::new());
    for line in String::from_utf8_lossy(&text).lines() {
        if let Some(json) = line.strip_prefix("# filterOptions:") {
            modes = serde_json::from_str::<serde_json::Value>(json)
                .ok()
                .and_then(|value| value.as_array().cloned())
                .unwrap_or_default();
        } else if let Some(json) = line.strip_prefix("# failJSON:") {
            label = serde_json::from_str::<serde_json::Value>(json).ok();
        } else if line.starts_with('#') || line.trim().is_empty() {
        } else if let Some(label) = label.take() {
            let host = ["host", "ip4", "ip6"].iter().find_map(|key| label[*key].as_str().map(String::from));
            let only_some = label["constraint"].as_str().is_some_and(|constraint| constraint.contains("mode"));
            let modes = if only_some { 1 } else { modes.len().max(1) };
            rows.push(Labelled { line: line.into(), is_failure: label["match"] == true, host, modes, is_cut: false });
        }
    }
    rows
}

#[derive(Debug, Default, PartialEq)]
struct Score {
    direct: [usize; 2],
    session: [usize; 2],
    name: usize,
    clean: [usize; 2],
    wrong: Vec<String>,
    ambiguous: usize,
    /// Addresses that were cut off, and what is left is one.
    cut_short: usize,
}

fn judge(rows: &[Labelled], print: bool) -> Score {
    let (mut score, mut auth) = (Score::default(), Auth::default());
    for Labelled { line, is_failure, host, modes, is_cut } in rows {
        let said = auth.read(line, NOW, 0);
        let (client, login) = match &said {
            Said::Event { client, event, .. } => (*client, Some(event.login)),
            _ => (None, None),
        };
        let is_told = matches!(login, Some(Login::Failed | Login::Weak));
        score.ambiguous += usize::from(matches!(said, Said::Ambiguous { .. }));
        let expected = host.as_deref().and_then(|host| {
            // `192.030.0.6` is no address to anybody strict.
            host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
        });
        // Where the label has no address it is that of the process.
        let right = is_told && client.is_some() && (client == expected || host.is_none());
        // Nobody could tell that of an address.
        let is_cut_short = *is_cut
            && host.as_deref().zip(client).is_some_and(|(host, client)| {
                host.starts_with(&client.to_string()) && line.ends_with(&client.to_string())
            });
        score.cut_short += usize::from(is_cut_short && client != expected);
        if is_told
            && (*is_failure || *is_cut)
            && !is_cut_short
            && client.is_some()
            && expected.is_some()
            && client != expected
        {
            score.wrong.push(line.clone());
        }
        let place = match (is_failure, host) {
            (true, Some(_)) if expected.is_none() => {
                score.name += modes;
                continue;
            }
            (true, Some(host)) if line.contains(host.as_str()) => &mut score.direct,
            (true, _) => &mut score.session,
            (false, _) => {
                let right = login != Some(Login::Failed) || client.is_none() || *is_cut && client == expected;
                if !right && print {
                    println!("false ({client:?}): {line}");
                }
                score.clean[0] += if right { *modes } else { 0 };
                score.clean[1] += modes;
                continue;
            }
        };
        place[0] += if right { *modes } else { 0 };
        place[1] += modes;
        if !right && print {
            println!("missed ({login:?} {client:?}): {line}");
        }
    }
    score
}

fn check(name: &str, score: &Score) {
    println!(
        "{name}: direct {}/{}, session {}/{}, clean {}/{}, names {}, ambiguous {}, cut short {}, wrong address {}",
        score.direct[0],
        score.direct[1],
        score.session[0],
        score.session[1],
        score.clean[0],
        score.clean[1],
        score.name,
        score.ambiguous,
        score.cut_short,
        score.wrong.len()
    );
    assert!(score.wrong.is_empty(), "{:#?}", score.wrong);
}

#[test]
#[ignore = "needs fail2ban's corpus, which is no part of this repository"]
fn sshd_is_read_as_fail2ban_labels_it() {
    let mut rows = labelled("sshd");
    rows.extend(labelled("sshd-journal"));
    let score = judge(&rows, true);
    check("sshd", &score);
    let share = score.direct[0] as f64 / score.direct[1] as f64;
    assert!(share >= 299.0 / 313.0, "direct {:?}", score.direct);
    assert!(score.clean[1] - score.clean[0] <= 6, "clean {:?}", score.clean);
}

#[test]
#[ignore = "needs fail2ban's corpus, which is no part of this repository"]
fn mail_servers_are_read_as_fail2ban_labels_them() {
    for name in ["dovecot", "postfix"] {
        check(name, &judge(&labelled(name), true));
    }
}

#[test]
#[ignore = "needs fail2ban's corpus, which is no part of this repository"]
fn shuffled_mixed_and_cut_it_is_never_read_wrongly() {
    let mut random = fastrand();
    let mut rows = labelled("sshd");
    rows.extend(labelled("sshd-journal"));
    for at in (1..rows.len()).rev() {
        rows.swap(at, random(at + 1));
    }
    let expect = |name: &str, score: &Score| {
        check(name, score);
        assert!(score.clean[1] - score.clean[0] <= 6, "clean {:?}", score.clean);
    };
    expect("shuffled", &judge(&rows, true));
    let foreign = labelled("apache-auth");
    for (count, row) in foreign.into_iter().enumerate() {
        let at = random(rows.len());
        rows.insert(at, Labelled { is_failure: false, host: None, ..row });
        if count > rows.len() / 10 {
            break;
        }
    }
    expect("one foreign line in ten", &judge(&rows, false));
    for row in &mut rows {
        let mut at = random(row.line.len() + 1);
        while !row.line.is_char_boundary(at) {
            at -= 1;
        }
        row.line.truncate(at);
        // What says so may be cut off.
        row.is_cut = true;
        row.is_failure = false;
    }
    expect("cut", &judge(&rows, true));
}

/// Numbers below a bound, the same in each run.
fn fastrand() -> impl FnMut(usize) -> usize {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    }
}

/// What an event of the hub is said to be: address, status, verb, path.
type Event = (String, String, String, String);

/// The asserted events of a `parser.assert`, by its lines `results["s01-parse"]["…"][N].Evt.Meta["…"] == "…"`.
fn asserted(text: &str) -> Vec<Event> {
    let mut events: BTreeMap<(String, usize), BTreeMap<String, String>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("results[\"s01-parse\"]")) {
        let parts = || {
            let rest = line.split_once("\"][\"")?.1;
            let (parser, rest) = rest.split_once("\"][")?;
            let (number, rest) = rest.split_once(']')?;
            let (key, value) = rest.split_once(".Evt.Meta[\"")?.1.split_once("\"] == \"")?;
            Some((parser.to_string(), number.parse().ok()?, key.to_string(), value.strip_suffix('"')?.to_string()))
        };
        if let Some((parser, number, key, value)) = parts() {
            events.entry((parser, number)).or_default().insert(key, value);
        }
    }
    let of = |event: &BTreeMap<String, String>, key: &str| event.get(key).cloned().unwrap_or_default();
    let events = events.values().filter(|event| of(event, "log_type") == "http_access-log");
    let events = events.map(|event| {
        (of(event, "source_ip"), of(event, "http_status"), of(event, "http_verb"), of(event, "http_path"))
    });
    events.filter(|event| !event.0.is_empty() && !event.1.is_empty() && !event.2.is_empty()).collect()
}

#[test]
#[ignore = "needs CrowdSec's hub, which is no part of this repository"]
fn access_logs_are_read_as_the_hub_asserts() {
    let hub = folder("NETTOP_HUB");
    let (mut right, mut all) = (0, 0);
    let mut missing = Vec::new();
    let mut folders: Vec<_> =
        fs::read_dir(hub).expect("the hub").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort_unstable();
    for folder in folders {
        let Ok(text) = fs::read_to_string(folder.join("parser.assert")) else { continue };
        let events = asserted(&text);
        if events.is_empty() {
            continue;
        }
        let logs = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let logs: Vec<u8> = logs
            .filter(|path| path.extension().is_some_and(|ending| ending == "log"))
            .flat_map(|path| fs::read(path).unwrap_or_default())
            .collect();
        // Proxies of the samples.
        let trusted = ["172.16.0.0/12", "172.64.0.0/13"].map(|net| net.parse().expect("a network")).to_vec();
        let access = Access { query: true, trusted, ..Access::default() };
        // Lines of one file there are of several formats, which no server writes: each is judged as a file of its own, with its head.
        let text = String::from_utf8_lossy(&logs).into_owned();
        let head: String = text.lines().filter(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        let mut told = Vec::new();
        for line in text.lines() {
            let mut auto = Auto::new(&Choice::default());
            auto.learn(&access, format!("{head}{line}\n").as_bytes());
            if let Ok(Parsed::Request { client: Some(ip), request, .. }) = auto.read(&access, line) {
                told.push((
                    ip.to_string(),
                    request.status.to_string(),
                    request.method.to_string(),
                    request.target.to_string(),
                ));
            }
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for event in events {
            all += 1;
            let is = |one: &Event, other: &Event| {
                let path =
                    |event: &Event| event.3.split_once('?').map_or(event.3.clone(), |(path, _)| path.to_string());
                (one.0.parse::<IpAddr>() == other.0.parse::<IpAddr>())
                    && one.1 == other.1.replace('-', "0")
                    && one.2 == other.2
                    && path(one) == path(other)
            };
            match told.iter().position(|one| is(one, &event)) {
                Some(at) => {
                    told.swap_remove(at);
                    right += 1;
                }
                None => missing.push(format!("{name}: {event:?}")),
            }
        }
    }
    println!("HTTP events: {right} of {all}\n{}", missing.join("\n"));
    assert!(right > 0);
}

#[test]
#[ignore = "needs CrowdSec's hub, which is no part of this repository"]
fn sshd_is_read_as_the_hub_asserts() {
    let hub = folder("NETTOP_HUB");
    let (mut right, mut all, mut missing) = (0, 0, Vec::new());
    for entry in fs::read_dir(hub).expect("the hub").flatten() {
        let Ok(text) = fs::read_to_string(entry.path().join("parser.assert")) else { continue };
        let mut events: BTreeMap<usize, BTreeMap<String, String>> = BTreeMap::new();
        for line in text.lines() {
            let parts = || {
                let rest = line.strip_prefix("results[\"s01-parse\"][\"crowdsecurity/sshd-logs\"][")?;
                let (number, rest) = rest.split_once("].Evt.")?;
                let (key, value) = rest.split_once("\"] == \"")?;
                let value = value.strip_suffix('"')?.replace("\\\"", "\"");
                Some((number.parse().ok()?, key.split_once("[\"")?.1.to_string(), value))
            };
            if let Some((number, key, value)) = parts() {
                events.entry(number).or_default().insert(key, value);
            }
        }
        let mut auth = Auth::default();
        for event in events.values() {
            let of = |key: &str| event.get(key).map(String::as_str).unwrap_or_default();
            if of("source_ip").is_empty() || !of("log_type").starts_with("ssh") {
                continue;
            }
            all += 1;
            let line = format!("host sshd[7]: {}", of("message"));
            let said = auth.read(&line, NOW, 0);
            let is_right = |client: &Option<IpAddr>| *client == of("source_ip").parse().ok();
            match &said {
                Said::Event { client, .. } if is_right(client) => right += 1,
                _ => missing.push(format!("{}: {said:?}: {line}", entry.file_name().display())),
            }
        }
    }
    println!("sshd events: {right} of {all}\n{}", missing.join("\n"));
    assert!(right > 0);
}
