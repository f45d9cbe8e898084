//! Those who are in logs: the live log beside them, the bar, what is known of one, and the words of filters.

use nettop_geo::CountryCode;
use nettop_model::{
    answer::Answer,
    format, query,
    request::Request,
    snapshot::{ConnectionSum, ConnectionSums, History, Mac, Origin, Target},
};
use nettop_views::{
    table::{Id, Listing},
    view::{OFFENDERS, connection_sums},
};

use super::*;
use crate::{
    fixture::{history, logs},
    update::{self, Effect},
};

/// The view of offenders in front of a screen of this size, with the row of this address selected.
fn offenders(size: (u16, u16), selected: Option<&str>) -> State {
    let mut state = State { view: OFFENDERS, size, ..State::default() };
    state.table_mut().selected = selected.map(|ip| Id::Ip(ip.parse().expect("an address")));
    state
}

#[test]
fn offenders_stand_beside_the_live_log_where_there_is_room() {
    for (width, height) in [(80, 24), (119, 24), (120, 24), (160, 45), (250, 60)] {
        for (name, selected) in [("all", None), ("one", Some("203.0.113.66"))] {
            let text = screen((width, height), &busy(), &offenders((width, height), selected));
            assert_eq!(text.contains("── log"), width >= 120, "{width}: {text}");
            assert!(
                ["req/s 31  new/s 0.3", "TopReq 198.51.100.7 1,412", "blocked/s 0"]
                    .iter()
                    .all(|part| text.contains(part)),
                "{text}"
            );
            if width >= 120 {
                assert_eq!(text.contains("GET /wp-log"), selected.is_none(), "{text}");
                insta::assert_snapshot!(format!("offenders_{name}_{width}x{height}"), text);
            }
        }
    }
    // Without logs there is nothing beside, and nothing above.
    let without = Snapshot { visits: None, log: None, ..busy() };
    let text = screen((160, 45), &without, &offenders((160, 45), None));
    assert!(!text.contains("── log") && !text.contains("req/s"), "{text}");
}

#[test]
fn lines_of_the_selected_address_are_asked_for_and_others_are_forgotten() {
    let ip = "2001:db8::7";
    let snapshot = busy();
    let request = Request::History(Subject::Source(ip.parse().expect("an address")));
    for (size, selected, expected) in [
        ((160, 45), Some(ip), Some(Effect::Send(request.clone()))),
        ((119, 45), Some(ip), None),
        ((160, 45), None, None),
    ] {
        let mut state = offenders(size, selected);
        assert_eq!(update::on_snapshot(&mut state, &snapshot), expected, "{size:?} {selected:?}");
    }
    let mut state = offenders((160, 45), Some(ip));
    let told = || Ok(Answer::History(Box::new(History { visitor: Some(Box::new(logs::visitor())), ..history() })));
    update::on_reply(&mut state, &request, told());
    let text = screen((160, 45), &snapshot, &state);
    assert!(text.contains("/page/3"), "{text}");
    insta::assert_snapshot!("offenders_asked_160x45", text);
    // An answer that comes when another row is selected is of nobody who is shown.
    let mut state = offenders((160, 45), Some("203.0.113.66"));
    update::on_reply(&mut state, &request, told());
    assert_eq!(state.visitor, None);
}

#[test]
fn what_logs_claim_of_a_source_is_in_its_detail_and_hostile_texts_are_spelled_out() {
    let history = History { visitor: Some(Box::new(logs::visitor())), ..history() };
    for (name, ip) in [("unlisted", "2001:db8::7"), ("listed", "198.51.100.100")] {
        let subject = Subject::Source(ip.parse().expect("an address"));
        for (width, height) in [(80, 24), (120, 60), (160, 45)] {
            let detail = Detail { subject, history: Some(history.clone()), command: None, top: 0 };
            let state = State { detail: Some(detail), ..State::default() };
            let text = screen((width, height), &busy(), &state);
            let obeyed = text.chars().find(|character| *character != '\n' && format::is_unseen(*character));
            assert_eq!(obeyed, None, "{text}");
            insta::assert_snapshot!(format!("detail_visitor_{name}_{width}x{height}"), text);
        }
    }
}

/// A filter that passes for any row that tells this word, with what it may be in the fixtures.
fn any(word: &str) -> String {
    let values: &[&str] = match word {
        "ip:" | "src:" | "dst:" => &["0.0.0.0/0", "::/0"],
        "port:" | "lport:" | "rport:" => &["0-65535"],
        "scope:" => &query::SCOPES,
        "nat:" => &query::NATS,
        "ns:" => &query::NAMESPACES,
        "seen:" => &query::SEEN,
        "dir:" => &["in", "out", "?"],
        "proto:" => &["tcp", "udp", "icmp", "other"],
        "country:" => &["DE", "US", "FR", "NL", "CN", "BR", "IN", "??"],
        "asn:" => &["24940", "13335", "64500", "64511", "65551", "16509", "4134", "7018", "3320"],
        "mac:" => &[":"],
        "pid:" => &["1", "811", "812", "813", "814", "900", "4711"],
        "owner:" => &["0", "33", "101", "1000"],
        "status:" => &["1", "2", "3", "4", "5"],
        "state:" | "process:" | "unit:" | "reason:" | "user:" | "path:" => {
            &["a", "e", "i", "l", "r", "s", "t", "c", "d", "f", "n", "p", "/"]
        }
        quantity => return format!("{quantity}>=0"),
    };
    values.iter().map(|value| format!("{word}{value}")).collect::<Vec<_>>().join(" or ")
}

/// A word that a view claims to have is told by some of its rows, and no row tells another one.
#[test]
fn the_words_of_each_view_are_those_that_its_rows_tell() {
    let by_mac = Alert {
        source: Some(Origin::Mac(Mac([2, 0x42, 0, 0, 0, 9]))),
        target: Some(Target { port: Some(443), ..Target::host([203, 0, 113, 10].into()) }),
        ..Alert::default()
    };
    let alerts = super::super::fixture::floods().into_iter().chain(super::super::fixture::alerts()).chain([by_mac]);
    let mut snapshot = Snapshot { alerts: alerts.collect(), ..busy() };
    let mut sources = super::super::fixture::sources(snapshot.traffic.packets);
    sources[0].detail = Some(std::sync::Arc::new(super::super::fixture::detail()));
    snapshot.sources.rows = sources.into();
    let mut connections = snapshot.connections.as_deref().cloned().unwrap_or_default();
    connections.live.iter_mut().for_each(|row| row.country = Some(CountryCode(*b"DE")));
    let sum = vec![ConnectionSum::default()];
    let [process, unit, remote, port, country] = [(); 5].map(|()| sum.clone());
    connections.sums = ConnectionSums { process, unit, remote, port, country, left_out: 0 };
    snapshot.connections = Some(connections.into());
    let sums = connection_sums::TABLES.iter().map(|(_, table)| *table);
    let listings: Vec<&dyn Listing> = VIEWS.iter().copied().chain(sums).collect();
    let words: std::collections::BTreeSet<_> = listings.iter().flat_map(|listing| listing.words()).copied().collect();
    let mut wrong = Vec::new();
    for listing in listings {
        for word in &words {
            let query = query::parse(&any(word)).unwrap_or_else(|error| panic!("{word}: {error:?}"));
            let rows = listing.list(&snapshot, query.as_ref(), None).len();
            if (rows > 0) != listing.words().contains(word) {
                wrong.push(format!("{} {word} ({}): {rows} rows", listing.name(), any(word)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_word_of_another_view_is_an_error_where_it_is_typed() {
    let mut state =
        State { size: (120, 40), prompt: Some(Prompt::new(Purpose::Find(0), "pps>5 user:root")), ..State::default() };
    state.typed = true;
    update::settle(&mut state, &busy());
    let error = state.prompt.as_ref().and_then(|prompt| prompt.error.clone());
    assert_eq!(error, Some((6, "nothing in Sources has user: – it is a word of Offenders, Log".into())));
    assert_eq!(state.table().filter, None);
    insta::assert_snapshot!("filter_of_another_view_80x24", screen((80, 24), &busy(), &state));
}
