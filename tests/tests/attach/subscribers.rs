//! `subscribe` on the socket: quick, slow, too many, and those that go.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nettop_tests::{
    monitor::Monitor,
    program::{self, run, wait, wait_for},
};
use serde_json::Value;

/// Subscribers at once.
const PLACES: usize = 16;

fn subscribe(socket: &Path, more: &str) -> BufReader<UnixStream> {
    let mut stream = UnixStream::connect(socket).expect("connecting");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    stream.write_all(format!("{{\"cmd\":\"subscribe\"{more}}}\n").as_bytes()).expect("sending");
    BufReader::new(stream)
}

/// The next line; `None`: there is none any more.
fn next(lines: &mut BufReader<UnixStream>) -> Option<Value> {
    let mut line = String::new();
    let count = lines.read_line(&mut line).expect("a line, or the end");
    (count > 0).then(|| serde_json::from_str(&line).expect("JSON"))
}

fn tick(line: &Value) -> u64 {
    line["snapshot"]["tick"]["count"].as_u64().expect("a number")
}

#[test]
fn every_snapshot_comes_once_and_what_is_cut_off_is_summed_up() {
    let monitor = Monitor::demo("");
    monitor.wait_until("48 sources", |snapshot| snapshot["unique_ips"] == 48);
    let mut lines = subscribe(monitor.socket(), ",\"limit\":5");
    let mut ticks = Vec::new();
    for _ in 0..5 {
        let line = next(&mut lines).expect("a line");
        assert_eq!((&line["ok"], &line["version"]), (&true.into(), &env!("CARGO_PKG_VERSION").into()));
        assert_eq!(line["runtime"]["mode"], "demo");
        let snapshot = &line["snapshot"];
        for list in ["ips", "macs", "countries", "networks", "dst_ips", "dst_ports", "src_ports"] {
            let rows = &snapshot[list];
            let count = rows.as_array().map(Vec::len).or(rows.as_object().map(|rows| rows.len()));
            assert!(count.is_some_and(|count| (1..=5).contains(&count)), "{list}: {count:?}");
        }
        let sum = |field: &str| -> u64 {
            let rows = snapshot["ips"].as_array().expect("a list").iter();
            rows.map(|row| row[field].as_u64().expect("a number")).sum::<u64>()
                + snapshot["rest"][field].as_u64().expect("a number")
        };
        assert_eq!(sum("packets"), snapshot["accounting"]["sources"]["packets"]);
        assert_eq!(sum("bytes"), snapshot["accounting"]["sources"]["bytes"]);
        let ports: u64 = snapshot["dst_ports"].as_object().expect("a map").values().filter_map(Value::as_u64).sum();
        assert_eq!(ports + snapshot["rest"]["dst_ports"]["packets"].as_u64().unwrap(), snapshot["total_packets"]);
        ticks.push(tick(&line) - line["missed"].as_u64().expect("a number"));
    }
    assert!(ticks.windows(2).all(|pair| pair[1] > pair[0]), "{ticks:?}");
    for (more, part) in [(",\"limit\":0", "1 to 1000"), (",\"limit\":1001", "1 to 1000"), (",\"limit\":-1", "whole")] {
        let mut refused = subscribe(monitor.socket(), more);
        let line = next(&mut refused).expect("an answer");
        assert!(line["error"].as_str().is_some_and(|error| error.contains(part)), "{more}: {line}");
        assert_eq!(next(&mut refused), None);
    }
}

#[test]
fn who_reads_slowly_misses_some_and_who_does_not_read_is_let_go() {
    let monitor = Monitor::demo("");
    let mut slow = subscribe(monitor.socket(), "");
    let mut stuck = subscribe(monitor.socket(), "");
    let mut byte = subscribe(monitor.socket(), "");
    let mut quick = subscribe(monitor.socket(), "");
    let started = Instant::now();
    let dribble = thread::spawn(move || {
        // A byte a second, until there is none.
        while byte.get_mut().read(&mut [0]).is_ok_and(|count| count > 0) && started.elapsed() < Duration::from_secs(18)
        {
            thread::sleep(Duration::from_secs(1));
        }
        byte
    });
    // The others go on; in an unoptimised build a line takes its time, too.
    let mut received = 0;
    while started.elapsed() < Duration::from_secs(3) {
        received += u64::from(next(&mut quick).is_some());
    }
    assert!(received >= 5, "{received} lines in three seconds");
    // What was on its way comes first; then the newest, with how many there were before it.
    let mut missed = 0;
    let newest = wait_for(|| {
        let line = next(&mut slow)?;
        missed += line["missed"].as_u64().expect("a number");
        let published = monitor.snapshot()["tick"]["count"].as_u64().expect("a number");
        (missed > 0 && tick(&line) + 10 > published).then_some(())
    });
    assert!(newest.is_some() && missed > 0, "{missed} missed");
    drop((slow, quick));
    // The monitor has closed its end of those that took too long: what is left to read ends.
    wait_for(|| (started.elapsed() > Duration::from_secs(15)).then_some(())).expect("time passes");
    let mut rest = Vec::new();
    stuck.read_to_end(&mut rest).expect("the end, and not the deadline");
    assert!(!rest.is_empty());
    let mut byte = dribble.join().expect("no panic");
    byte.read_to_end(&mut rest).expect("the end, and not the deadline");
    assert_eq!(monitor.snapshot()["accounting"]["holds"], true);
}

#[test]
fn there_are_so_many_places_and_who_hangs_up_leaves_its_own() {
    // Next to never a new snapshot: that somebody has gone must not wait for one.
    let monitor = Monitor::demo("--interval 3600");
    let mut all: Vec<_> = (0..PLACES).map(|_| subscribe(monitor.socket(), "")).collect();
    for one in &mut all {
        assert!(next(one).is_some());
    }
    let refused = next(&mut subscribe(monitor.socket(), "")).expect("an answer");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("16 subscribers")), "{refused}");
    // Nothing more to say is no hanging up.
    for one in &all {
        one.get_ref().shutdown(Shutdown::Write).expect("closing one half");
    }
    thread::sleep(Duration::from_millis(1500));
    assert!(next(&mut subscribe(monitor.socket(), "")).expect("an answer")["error"].is_string());
    drop(all);
    let free = wait_for(|| (next(&mut subscribe(monitor.socket(), ""))?["ok"] == true).then_some(()));
    assert!(free.is_some(), "their places are taken");
}

#[test]
fn nettopctl_prints_so_many_lines_and_ends_quietly_with_its_reader() {
    let monitor = Monitor::demo("");
    monitor.wait_until("48 sources", |snapshot| snapshot["unique_ips"] == 48);
    let ctl = |arguments: &[&str]| {
        let mut command = Command::new(program::path("nettopctl"));
        command.arg("--control-socket").arg(monitor.socket()).arg("subscribe").args(arguments);
        command
    };
    let ended = run(&mut ctl(&["--count", "3", "--limit", "2"]));
    assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(0), ""));
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        lines.iter().map(|line| line["snapshot"]["ips"].as_array().map(Vec::len)).collect::<Vec<_>>(),
        [Some(2); 3]
    );
    let ended = run(&mut ctl(&["--limit", "0"]));
    assert!(ended.status.code() == Some(1) && ended.stdout.contains("1 to 1000"), "{ended:?}");
    // Whoever reads has seen enough.
    let mut child = ctl(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starting it");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let (status, mut errors) = (wait(&mut child), String::new());
    child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
    assert!(status.is_some_and(|status| status.success()) && errors.is_empty(), "{status:?} {errors}");
    // A monitor that ends is told.
    let mut child = ctl(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starting it");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    lines.read_line(&mut line).expect("a line");
    monitor.stop();
    thread::spawn(move || lines.read_to_end(&mut Vec::new()));
    let status = wait(&mut child);
    child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
    assert!(status.is_some_and(|status| status.code() == Some(1)) && errors.contains("has ended"), "{errors}");
}
