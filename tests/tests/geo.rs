//! Where sources are: the bundled data, the user's own, and their change while the monitor runs.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use nettop_tests::{
    monitor::Monitor,
    program::{self, run_with},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Sum of a field over the rows of a list.
fn sum(rows: &Value, field: &str) -> u64 {
    rows.as_array().expect("a list").iter().map(|row| row[field].as_u64().expect("a number")).sum()
}

#[test]
fn every_counted_packet_is_in_one_country_and_one_network() {
    let monitor = Monitor::demo("");
    let snapshot = monitor.wait_until("all sources", |snapshot| snapshot["unique_ips"] == 48);
    for places in ["countries", "networks"] {
        assert_eq!(sum(&snapshot[places], "packets"), snapshot["total_packets"], "{places}");
        assert_eq!(sum(&snapshot[places], "bytes"), snapshot["total_bytes"], "{places}");
        assert_eq!(sum(&snapshot[places], "ips"), 48, "{places}");
    }
    assert_eq!(snapshot["geo"]["databases"][0]["name"], "bundled");
    let known = snapshot["ips"].as_array().expect("a list").iter().filter(|row| row["country_code"] != "??");
    assert!(known.count() > 24, "most public addresses belong to a country");
}

#[test]
fn geography_can_be_turned_off() {
    let monitor = Monitor::demo("--no-geo");
    let snapshot = monitor.wait_until("traffic", |snapshot| snapshot["total_packets"].as_u64() > Some(0));
    assert_eq!(
        (&snapshot["geo"], &snapshot["countries"], &snapshot["networks"]),
        (&Value::Null, &json!([]), &json!([]))
    );
    assert_eq!(snapshot["ips"][0].get("country_code"), None);
    let ended = monitor.stop();
    assert!(ended.stdout.contains("geography    off"), "{ended:?}");
}

#[test]
fn a_location_csv_comes_first_and_is_read_again_when_it_changes() {
    let directory = TempDir::new().expect("making a directory");
    let path = directory.path().join("location.csv");
    let write = |name: &str| {
        let rows = format!("0.0.0.0/0,XA,{name},Here,AS64500,Ours\n::/0,XA,{name},Here,64500,Ours\nnonsense,1\n");
        let new = directory.path().join("new");
        fs::write(&new, format!("cidr,country_code,country,city,asn,org\n{rows}")).expect("writing");
        fs::rename(&new, &path).expect("renaming");
    };
    write("First");
    let monitor = Monitor::demo(&format!("--location-db {}", path.display()));
    let all_in = |country: &'static str| {
        move |snapshot: &Value| {
            let rows = snapshot["countries"].as_array().expect("a list");
            let right = |row: &Value| row["country_code"] == "XA" && row["country"] == country;
            rows.len() == 1 && right(&rows[0]) && sum(&snapshot["countries"], "packets") == snapshot["total_packets"]
        }
    };
    let snapshot = monitor.wait_until("the first names", all_in("First"));
    let row = &snapshot["ips"][0];
    assert_eq!((&row["city"], &row["asn"], &row["org"]), (&json!("Here"), &json!(64500), &json!("Ours")));
    let database = &snapshot["geo"]["databases"][0];
    assert_eq!((&database["rows"], &database["bad_rows"]), (&json!(2), &json!(1)));
    let degraded = snapshot["degraded"].to_string();
    assert!(degraded.contains("line 4"), "{degraded}");
    write("Second");
    monitor.wait_until("the second names", all_in("Second"));
}

#[test]
fn a_database_that_cannot_be_used_is_named() {
    // A monitor that has the usual socket is no business of this.
    let directory = TempDir::new().expect("a folder");
    let socket = directory.path().join("nettop.sock").display().to_string();
    let demo = ["demo", "--quiet", "--control-socket", &socket, "--location-db", "/no/such/file.csv"];
    let ended = run_with("nettop", &demo);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("/no/such/file.csv"), "{ended:?}");
    let ended = run_with("nettop", &["demo", "--no-geo", "--location-db", "x.csv"]);
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
}

#[test]
fn a_database_that_is_damaged_or_provides_nothing_is_told() {
    let directory = TempDir::new().expect("making a directory");
    let city = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/mmdb/city");
    let mut damaged = fs::read(city).expect("a seed");
    let metadata = damaged.windows(11).rposition(|bytes| bytes == b"MaxMind.com").expect("a marker") - 3;
    let data = damaged.len() / 3;
    damaged[data..metadata].fill(0xff);
    let whole = fs::read(city).expect("a seed");
    for (name, content, expected) in [
        ("damaged.mmdb", &damaged[..], &["records cannot be read", "look-ups have failed"][..]),
        ("ranges.csv", b"cidr\n0.0.0.0/0\n", &["provides nothing: none of its 1 rows"]),
        ("whole.mmdb", &whole, &[]),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, content).expect("writing");
        let monitor = Monitor::demo(&format!("--location-db {}", path.display()));
        let has = |text: &str, parts: &[&str]| parts.iter().all(|part| text.contains(part));
        let snapshot = monitor.wait_until(name, |snapshot| {
            snapshot["unique_ips"] == 48 && has(&snapshot["geo"]["problems"].to_string(), expected)
        });
        let problems = snapshot["geo"]["problems"].as_array().expect("a list");
        assert_eq!(problems.len(), usize::from(!expected.is_empty()), "{name}: {problems:?}");
        assert!(has(&snapshot["degraded"].to_string(), expected), "{name}: {}", snapshot["degraded"]);
        let provides = &snapshot["geo"]["databases"][0]["provides"];
        assert_eq!(provides.to_string().contains("true"), expected.is_empty(), "{name}: {provides}");
    }
}

#[test]
fn databases_of_geoipupdate_are_found_unless_another_is_named_or_others_may_have_written_them() {
    let home = TempDir::new().expect("making a directory");
    let (folder, csv) = (home.path().join(".local/share/GeoIP"), home.path().join("own.csv"));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(&csv, "cidr,city\n192.0.2.0/24,x\n").expect("writing");
    let found = folder.join("GeoLite2-City.mmdb");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/mmdb/city"), &found).expect("a seed");
    let geo = |mode: u32, arguments: &[&str]| {
        fs::set_permissions(&found, fs::Permissions::from_mode(mode)).expect("a mode");
        let mut command = Command::new(program::path("nettop"));
        command.args(["demo", "--interval", "0.1"]).args(arguments).env("HOME", home.path()).current_dir(home.path());
        let monitor = Monitor::start(command, &home.path().join("s"));
        let mut snapshot = monitor.wait_until("traffic", |snapshot| snapshot["unique_ips"] == 48);
        snapshot["geo"].take()
    };
    let is_first = |geo: &Value| geo["databases"][0]["name"] == found.display().to_string();
    let trusted = geo(0o644, &[]);
    assert!(is_first(&trusted) && trusted["problems"] == json!([]), "{trusted}");
    let named = geo(0o644, &["--location-db", &csv.display().to_string()]);
    assert!(!named["databases"].to_string().contains("GeoLite2"), "{named}");
    let doubtful = geo(0o666, &[]);
    let problems = doubtful["problems"].to_string();
    assert!(!is_first(&doubtful) && problems.contains("others may have written it"), "{doubtful}");
}
