//! `nettop update-db` against a server on loopback: what it makes, and that nothing that goes wrong touches the old file
//! or leaves anything behind.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use nettop::commands::update_db::{self, Kind, Limits, UpdateDbArgs};
use nettop_tests::{
    mirror::{Answer, Mirror},
    program::{self, Ended, PublicCopy, as_nobody, run},
};
use tempfile::TempDir;

const OLD: &str = "start,end,country_code,country,city,asn,org\n192.0.2.0,192.0.2.255,XX,,,,old\n";
const COUNTRIES: &str = "1.0.0.0,1.0.0.255,AU\n1.0.1.0,1.0.3.255,CN\n2001:db8::,2001:db8::ffff,NL\n";
const CITIES: &str = "1.0.0.0,1.0.0.255,OC,AU,Queensland,\"South Brisbane, \"\"The\"\"\",-27.4,153.0\n";
const NETWORKS: &str = "1.0.0.0,1.0.0.127,13335,\"Cloudflare, Inc.\"\n1.0.2.0,1.0.2.255,4134,Chinanet\n";

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).expect("memory");
    gzip.finish().expect("memory")
}

fn file(text: &str) -> Answer {
    Answer::file(gzip(text))
}

/// A folder with an old table.
struct OutputFolder {
    folder: TempDir,
}

impl OutputFolder {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("location.csv"), OLD).expect("an old table");
        Self { folder }
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("location.csv")
    }

    fn table(&self) -> String {
        fs::read_to_string(self.output()).expect("the table")
    }

    fn command(&self, mirror: &Mirror, options: &[&str]) -> Command {
        command(&program::path("nettop"), &self.output(), mirror, options)
    }

    fn update(&self, mirror: &Mirror, options: &[&str]) -> Ended {
        run(&mut self.command(mirror, options))
    }

    /// The old table is what it was, and alone.
    #[track_caller]
    fn expect_untouched(&self, name: &str) {
        assert_eq!(self.table(), OLD, "{name}");
        self.expect_nothing_else(name);
    }

    #[track_caller]
    fn expect_nothing_else(&self, name: &str) {
        let names: Vec<_> =
            fs::read_dir(self.folder.path()).expect("a folder").map(|e| e.expect("one").path()).collect();
        assert_eq!(names, [self.output()], "{name}");
    }
}

fn command(program: &Path, output: &Path, mirror: &Mirror, options: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg("update-db").arg("--output").arg(output).args(["--url", &mirror.url()]).args(options);
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command
}

/// Countries and networks.
fn healthy() -> Mirror {
    Mirror::new(|path, _| match path {
        path if path.contains("country") => file(COUNTRIES),
        path if path.contains("city") => file(CITIES),
        _ => file(NETWORKS),
    })
}

#[test]
fn a_table_is_made_of_countries_and_networks() {
    let (place, mirror) = (OutputFolder::new(), healthy());
    let ended = place.update(&mirror, &[]);
    assert!(ended.status.success(), "{ended:?}");
    let lines = [
        "start,end,country_code,country,city,asn,org",
        "1.0.0.0,1.0.0.127,AU,Australia,,13335,\"Cloudflare, Inc.\"",
        "1.0.0.128,1.0.0.255,AU,Australia,,,",
        "1.0.1.0,1.0.1.255,CN,China,,,",
        "1.0.2.0,1.0.2.255,CN,China,,4134,Chinanet",
        "1.0.3.0,1.0.3.255,CN,China,,,",
    ];
    let table = place.table();
    assert_eq!(table.lines().take(lines.len()).collect::<Vec<_>>(), lines);
    assert!(table.lines().last().expect("a row").starts_with("2001:db8::,2001:db8::ffff,NL,Netherlands"), "{table}");
    for part in
        ["country-lite-20", "asn-lite-20", "6 rows", &place.output().display().to_string(), "DB-IP", "CC BY 4.0"]
    {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
    place.expect_nothing_else("success");
    assert_eq!(fs::metadata(place.output()).expect("the table").permissions().mode() & 0o777, 0o644);
}

#[test]
fn cities_are_taken_where_they_are_asked_for() {
    let (place, mirror) = (OutputFolder::new(), healthy());
    assert!(place.update(&mirror, &["--kind", "city"]).status.success());
    let row = "1.0.0.0,1.0.0.127,AU,Australia,\"South Brisbane, \"\"The\"\"\",13335,\"Cloudflare, Inc.\"";
    assert_eq!(place.table().lines().nth(1), Some(row));
}

#[test]
fn months_are_tried_back_to_the_fourth() {
    let (place, mirror) = (
        OutputFolder::new(),
        Mirror::new(|_, before| if before < 3 { Answer::status("404 Not Found") } else { file(COUNTRIES) }),
    );
    // The rows of networks are not countries: what comes from here as networks is refused, but only after four months.
    place.update(&mirror, &[]);
    let months: Vec<_> = mirror.requests().iter().filter(|path| path.contains("country")).cloned().collect();
    assert_eq!(months.len(), 4, "{months:?}");
    assert!(months.is_sorted_by(|newer, older| newer > older), "{months:?}");
}

#[test]
fn without_networks_it_goes_on_and_says_so() {
    let mirror =
        Mirror::new(|path, _| if path.contains("asn") { Answer::status("404 Not Found") } else { file(COUNTRIES) });
    let place = OutputFolder::new();
    let ended = place.update(&mirror, &[]);
    assert!(ended.status.success() && ended.stderr.contains("dbip-asn-lite"), "{ended:?}");
    assert_eq!(place.table().lines().count(), 4);
}

#[test]
fn a_bad_row_in_a_hundred_is_left_out_and_told() {
    let mut rows: String = (0..200).map(|n| format!("1.0.{n}.0,1.0.{n}.255,AU\n")).collect();
    rows.push_str("1.1.0.0,1.1.0.255,\u{1b}[31m\n");
    let place = OutputFolder::new();
    let ended =
        place.update(&Mirror::new(move |path, _| if path.contains("asn") { file(NETWORKS) } else { file(&rows) }), &[]);
    assert!(ended.status.success() && ended.stdout.contains("200 rows, and 1 that"), "{ended:?}");
}

/// Every way in which the table of countries can come wrong, and what is said.
#[test]
fn whatever_goes_wrong_the_old_table_stays() {
    let long = format!("1.0.0.0,1.0.0.255,{}\n", "A".repeat(1 << 20));
    let html = Answer::file(b"<!DOCTYPE html><p>Please log in".into());
    let truncated = |keep: usize| gzip(COUNTRIES)[..keep].to_vec();
    let mut corrupt = gzip(COUNTRIES);
    let crc = corrupt.len() - 8;
    corrupt[crc] ^= 1;
    for (name, answer, part) in [
        ("missing", Answer::status("404 Not Found"), "last 4 months"),
        ("server error", Answer::status("500 Internal Server Error"), "500"),
        ("forbidden", Answer::status("403 Forbidden"), "403"),
        ("HTML", html, "HTML"),
        ("no gzip", Answer::file(COUNTRIES.into()), "not a gzip file"),
        ("empty", Answer::file(Vec::new()), "not a gzip file"),
        ("one byte", Answer::file(vec![0x1f]), "not a gzip file"),
        ("gone half-way", file(COUNTRIES).announcing(1000), "broke off"),
        ("cut off unnoticed", Answer::file(truncated(40)).unannounced(), "cut off"),
        ("cut off in the trailer", Answer::file(truncated(crc + 4)), "cut off"),
        ("a wrong checksum", Answer::file(corrupt), "damaged"),
        ("no rows", file(""), "no rows"),
        ("wrong rows", file("a,b\nc,d\n"), "2 of its 2 rows"),
        ("one wrong row of three", file(&COUNTRIES.replace("CN", "China")), "first in line 2"),
        ("a range that ends before it begins", file("1.0.0.9,1.0.0.0,AU\n"), "1 of its 1 rows"),
        ("a range over both families", file("1.0.0.9,2001:db8::,AU\n"), "1 of its 1 rows"),
        ("a quote that never ends", file("\"1.0.0.0,1.0.0.9,AU\n1.0.1.0,1.0.1.9,AU\n"), "1 of its 2 rows"),
        ("an endless line", file(&long), "1 of its 1 rows"),
        ("unsorted", file("1.0.1.0,1.0.1.255,AU\n1.0.0.0,1.0.0.255,AU\n"), "line 2 is out of order"),
        ("overlapping", file("1.0.0.0,1.0.1.255,AU\n1.0.1.0,1.0.2.255,AU\n"), "line 2 is out of order"),
        ("too long", file(COUNTRIES).announcing(1 << 40), "are announced"),
        ("redirected for ever", Answer::redirect("/free/again"), "redirected more than 5"),
    ] {
        let place = OutputFolder::new();
        let mirror = Mirror::new(move |path, _| if path.contains("asn") { file(NETWORKS) } else { answer.clone() });
        let ended = place.update(&mirror, &[]);
        assert_eq!(ended.status.code(), Some(1), "{name}: {ended:?}");
        let error = ended.stderr.lines().last().unwrap_or_default();
        assert!(error.starts_with("nettop update-db: ") && error.contains(part), "{name}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{name}: {ended:?}");
        place.expect_untouched(name);
    }
}

#[test]
fn wrong_networks_are_no_better() {
    for (name, answer, part) in [
        ("server error", Answer::status("503 Service Unavailable"), "503"),
        ("unsorted", file("1.0.1.0,1.0.1.255,1,a\n1.0.0.0,1.0.0.255,2,b\n"), "out of order"),
        ("wrong rows", file(COUNTRIES), "3 of its 3 rows"),
    ] {
        let place = OutputFolder::new();
        let mirror = Mirror::new(move |path, _| if path.contains("asn") { answer.clone() } else { file(COUNTRIES) });
        let ended = place.update(&mirror, &[]);
        assert!(!ended.status.success() && ended.stderr.contains(part), "{name}: {ended:?}");
        place.expect_untouched(name);
    }
}

#[test]
fn nobody_waits_for_a_server_that_is_stuck_or_slow() {
    let limits = Limits {
        connect: Duration::from_secs(5),
        stall: Duration::from_millis(200),
        packed: 10_000,
        unpacked: 100_000,
        ..Limits::default()
    };
    let bomb = "1.0.0.0,1.0.0.255,AU\n".to_string() + &" ".repeat(1_000_000);
    for (name, answer, part) in [
        ("no answer", Answer::silence(), "sent nothing within"),
        ("stuck half-way", file(COUNTRIES).announcing(1000).stuck(), "sent nothing within"),
        ("trickling", file(COUNTRIES).announcing(1_000_000).trickling(), "announced"),
        ("trickling without end", file(COUNTRIES).unannounced().trickling(), "too slow"),
        ("more than announced as possible", Answer::file([0x1f, 0x8b].repeat(10_000)).unannounced(), "longer than"),
        ("a bomb", file(&bomb), "unpacked it is longer"),
    ] {
        let place = OutputFolder::new();
        let mirror = Mirror::new(move |_, _| answer.clone());
        let args = UpdateDbArgs { output: Some(place.output()), kind: Kind::Country, workdir: None, url: mirror.url() };
        let error = format!("{:#}", update_db::run(&args, &limits).expect_err(name));
        assert!(error.contains(part), "{name}: {error}");
        place.expect_untouched(name);
    }
}

#[test]
fn a_signal_leaves_nothing_behind() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let place = OutputFolder::new();
        let mirror = Mirror::new(|_, _| file(COUNTRIES).announcing(1000).stuck());
        let mut child = place.command(&mirror, &[]).stderr(Stdio::null()).spawn().expect("starting nettop");
        assert!(program::wait_for(|| mirror.requests().pop()).is_some(), "it asks the server");
        // SAFETY: plain integers; the child has not been waited for, so its id is still its own.
        assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
        let status = program::wait(&mut child).expect("it ends");
        assert_eq!(status.code(), Some(1), "an orderly end");
        place.expect_untouched("signal");
    }
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let mirror = healthy();
    let place = OutputFolder::new();
    let folder = place.folder.path().display().to_string();
    for (output, options, part) in [
        ("/nonexistent/location.csv", &[][..], "/nonexistent"),
        (folder.as_str(), &[], "is a folder"),
        ("/proc/location.csv", &[], "--output"),
        (&place.output().display().to_string(), &["--workdir", "/nonexistent"], "--workdir"),
    ] {
        let ended = run(&mut command(&program::path("nettop"), output.as_ref(), &mirror, options));
        assert!(!ended.status.success() && ended.stderr.contains(part), "{output}: {ended:?}");
        place.expect_untouched(output);
    }
    let nettop = PublicCopy::of("nettop");
    let ended = run(as_nobody(&mut command(&nettop.path(), "/var/lib/nettop.csv".as_ref(), &mirror, &[])));
    ended.expect_one_line("--output");
    let ended = run(as_nobody(Command::new(nettop.path()).args(["update-db", "--url", &mirror.url()])));
    ended.expect_one_line("--output");
}

#[test]
fn wrong_options_are_usage_errors() {
    for options in [["--kind", "planet"], ["--url", "ftp://example.org"], ["--url", "https://"]] {
        let ended = program::run_with("nettop", &["update-db", options[0], options[1]]);
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        ended.expect_one_line(options[0]);
    }
}
