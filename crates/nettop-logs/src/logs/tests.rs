use std::{fs, io::Write as _, path::Path};

use super::*;
use crate::{format::Choice, tail::glob::Glob};

fn source(folder: &Path, pattern: &str, reads: Reads) -> LogSource {
    LogSource { glob: Glob::new(&folder.join(pattern)), reads, asked: true }
}

fn append(path: &Path, text: &str) {
    fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn lines_of_all_files_are_entries_and_every_line_is_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let [access, auth] = ["access.log", "auth.log"].map(|name| folder.path().join(name));
    append(&access, "203.0.113.1 - - [06/Feb/2009:12:14:14 +0100] \"GET /old HTTP/1.1\" 200 1 \"-\" \"x\"\n");
    let sources = vec![
        source(folder.path(), "access*", Reads::Access(Choice::default())),
        source(folder.path(), "auth.log", Reads::Auth),
        source(folder.path(), "none.log", Reads::Auth),
    ];
    let mut logs = Logs::new(LogSettings { sources, backfill: 1 << 20, ..LogSettings::default() });
    append(&access, "203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] \"GET /a HTTP/1.1\" 200 1 \"-\" \"x\"\nnoise\n");
    append(&access, "name - - [06/Feb/2009:12:14:14 +0100] \"GET /a HTTP/1.1\" 200 1 \"-\" \"x\"\n");
    append(&access, "203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] \"GET /a HTTP/1.1\" xyz 1 \"-\" \"x\"\n");
    append(&access, &format!("{}\n", "x".repeat(1 << 20)));
    append(&auth, "Feb  6 11:14:14 host sshd[7]: Failed password for root from 203.0.113.8 port 22 ssh2\n");
    let now = Instant::now() + Duration::from_secs(5);
    let mut reading = logs.read(now);
    reading.add(logs.read(now));
    let told: Vec<_> = reading.entries.iter().map(|entry| (entry.client.map(|ip| ip.to_string()), entry.old)).collect();
    let by = |ip: &str| Some(ip.to_string());
    assert_eq!(
        told,
        [(by("203.0.113.1"), true), (by("203.0.113.7"), false), (None, false), (by("203.0.113.8"), false)]
    );
    let all = logs.reader.all();
    let expected = Lines {
        lines: 7,
        parsed: 4,
        other_format: 1,
        malformed: 1,
        overlong: 1,
        attributed: 3,
        no_address: 1,
        ..Lines::default()
    };
    assert_eq!(all, expected);
    assert!(reading.files.iter().all(|file| file.lines.holds()));
    assert_eq!(reading.problems, [format!("{}: there is no such file yet", folder.path().join("none.log").display())]);
    let json = serde_json::to_string(&reading).unwrap();
    assert_eq!(serde_json::from_str::<LogReading>(&json).unwrap(), reading, "recorded and read");
}

#[test]
fn a_reading_has_a_bound_and_the_rest_waits_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    append(&path, "");
    let source = source(folder.path(), "access.log", Reads::Access(Choice::default()));
    let mut logs = Logs::new(LogSettings { sources: vec![source], ..LogSettings::default() });
    let line = "203.0.113.7 - - [06/Feb/2009:12:14:14 +0100] \"GET /a HTTP/1.1\" 200 1 \"-\" \"x\"\n";
    append(&path, &line.repeat(140_000));
    let now = Instant::now();
    let counts = [(); 3].map(|()| logs.read(now).entries.len());
    assert_eq!(counts, [MOST_ENTRIES, 140_000 - MOST_ENTRIES, 0]);
}
