//! The catalogue: everything that users of the classic know is in it.

use nettop_tests::program::run_with;
use serde_json::Value;

/// What the classic has, by the title of the part of the catalogue where it is now.
const CLASSIC: &[(&str, &[&str])] = &[
    ("Commands", &["run", "demo", "ctl", "features", "doctor", "update-db"]),
    (
        "Options of the monitor",
        &[
            "--dst",
            "--src",
            "--port",
            "--proto",
            "--iface",
            "--top",
            "--interval",
            "--no-geo",
            "--location-db",
            "--control-socket",
            "--jsonl",
            "--pcap",
            "--max-events",
            "--high-pps",
            "--quiet",
        ],
    ),
    (
        "Panels of the screen",
        &["waiting", "header", "table", "countries", "traffic", "macs", "alerts", "control", "footer"],
    ),
    ("Views of the screen", &["Sources", "Countries", "MACs", "Alerts"]),
    ("Columns of the table of sources", &["#", "IP", "Geo", "Pkts", "PPS", "Low/Peak", "Bytes", "Last", "Share"]),
    ("Keys", &["d", "p", "s", "y", "t", "space", "r", "q"]),
    ("Commands of nettopctl", &["status", "set", "top", "pause", "resume", "reset", "snapshot", "stop"]),
    ("Requests of the control channel", &["status", "set", "top", "pause", "resume", "reset", "snapshot", "stop"]),
    ("Exports", &["json", "csv"]),
    ("Files that lines are appended to", &["events"]),
    ("Alerts", &["new-ip", "new-mac", "high-pps"]),
    ("Protocols counted apart", &["TCP", "UDP", "ICMP", "OTHER"]),
];

#[test]
fn everything_the_classic_has_is_in_the_catalogue() {
    let ended = run_with("nettop", &["features", "--json"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let catalogue: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    for (title, names) in CLASSIC {
        let parts = catalogue.as_array().expect("a list");
        let part = parts.iter().find(|part| part["title"] == *title).unwrap_or_else(|| panic!("no part {title}"));
        for name in *names {
            let features = part["features"].as_array().expect("a list");
            assert!(features.iter().any(|feature| feature["name"] == *name), "{title}: no {name}");
        }
    }
}

#[test]
fn the_catalogue_is_numbered_text() {
    let ended = run_with("nettop", &["features"]);
    let numbers = ended.stdout.lines().filter_map(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    let numbers: Vec<_> = numbers.collect();
    assert!(numbers.len() > 100, "{}", ended.stdout);
    assert!(numbers.iter().copied().eq(1..=numbers.len()), "{}", ended.stdout);
}
