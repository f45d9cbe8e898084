//! Somebody on the socket who is no monitor: the attached screen neither obeys, nor grows, nor panics.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use nettop_tests::{
    monitor::Monitor,
    program::{self, wait_for},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{attach, header};

/// Answers every client on a socket with this, until dropped.
struct Impostor(Arc<AtomicBool>);

impl Impostor {
    fn start(socket: &Path, mut says: impl FnMut(&mut UnixStream) + Send + 'static) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket");
        listener.set_nonblocking(true).expect("not waiting");
        let ends = Arc::new(AtomicBool::new(false));
        let told = ends.clone();
        thread::spawn(move || {
            while !told.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((mut client, _)) => {
                        client.set_nonblocking(false).expect("waiting");
                        // Its request.
                        let _ = client.read(&mut [0; 4096]);
                        says(&mut client);
                    }
                    Err(_) => thread::sleep(Duration::from_millis(20)),
                }
            }
        });
        Self(ends)
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A line as a monitor sends it.
fn line() -> Value {
    let monitor = Monitor::demo("");
    monitor.wait_until("48 sources", |snapshot| snapshot["unique_ips"] == 48);
    let mut stream = UnixStream::connect(monitor.socket()).expect("connecting");
    stream.write_all(b"{\"cmd\":\"subscribe\",\"limit\":40,\"schema\":2}\n").expect("sending");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("a line");
    serde_json::from_str(&line).expect("JSON")
}

/// Gives every number and every text to a function.
fn change(value: &mut Value, by: &impl Fn(&mut Value)) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| change(one, by)),
        Value::Object(all) => all.values_mut().for_each(|one| change(one, by)),
        Value::Number(_) | Value::String(_) => by(value),
        Value::Null | Value::Bool(_) => {}
    }
}

#[test]
fn what_is_no_monitor_is_told_in_a_sentence() {
    let mut newer = line();
    newer["version"] = json!("77.0");
    newer["snapshot"]["traffic"] = json!("elsewhere");
    for (says, parts) in [
        (String::new(), &["closed the connection"][..]),
        ("SSH-2.0-OpenSSH\r\n".into(), &["cannot be read"]),
        ("{\"ok\":true}\n".into(), &["an unknown version", "cannot read"]),
        ("{\"ok\":false,\"error\":\"\\u001b[2Jno\"}\n".into(), &["\\u{1b}[2Jno"]),
        ("{\"ok\":false,\"error\":\"unknown command \\\"subscribe\\\"\"}\n".into(), &["is older than this nettop"]),
        (format!("{newer}\n"), &["is nettop 77.0", env!("CARGO_PKG_VERSION"), "the same version of both"]),
    ] {
        let folder = TempDir::new().expect("a folder");
        let socket = folder.path().join("s");
        let text = says.clone();
        let _impostor = Impostor::start(&socket, move |client| drop(client.write_all(text.as_bytes())));
        let (status, text) = attach(&socket, 200, 10).end();
        let text = text.replace('\n', "");
        assert_eq!(status.code(), Some(1), "{text}");
        parts.iter().for_each(|part| assert!(text.contains(part), "{part:?} in {text}"));
    }
}

#[test]
fn a_line_without_an_end_takes_no_more_memory_than_the_longest_one() {
    let folder = TempDir::new().expect("a folder");
    let socket = folder.path().join("s");
    let _impostor = Impostor::start(&socket, |client| while client.write_all(&[b'['; 1 << 16]).is_ok() {});
    let (status, text) = attach(&socket, 200, 10).end();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.replace('\n', "").contains("a line of more than 33554432 bytes"), "{text}");
}

#[test]
fn hostile_snapshots_are_drawn_and_nothing_in_them_is_obeyed() {
    const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\nline\u{202e}drawkcab\u{9b}31m";
    let original = line();
    let hostile = move |by: &dyn Fn(&Value) -> Option<Value>| {
        let mut line = original.clone();
        change(&mut line, &|value| {
            if let Some(new) = by(value) {
                *value = new;
            }
        });
        line["ok"] = json!(true);
        line
    };
    let texts = |value: &Value| {
        let text = value.as_str()?;
        // What has to be of a form stays of it.
        let formed = text.parse::<std::net::IpAddr>().is_ok() || text.contains([':', '/']) || text.len() < 3;
        let known = ["demo", "live", "info", "warn", "critical", "up", "generic", "native", "sources", "macs"];
        (!formed && !known.contains(&text)).then(|| HOSTILE.into())
    };
    let whole = |value: &Value| value.is_u64();
    let lines = [
        hostile(&texts),
        // The largest number that every field takes; and none.
        hostile(&|value| whole(value).then(|| json!(255))),
        hostile(&|value| whole(value).then(|| json!(0))),
        hostile(&|value| (value.as_u64() > Some(65_535)).then(|| json!(u64::MAX))),
        hostile(&|value| value.is_f64().then(|| json!(1e308))),
        hostile(&|value| value.is_f64().then(|| json!(-1e308))),
    ];
    let lines = lines.map(|line| format!("{line}\n"));
    let folder = TempDir::new().expect("a folder");
    let socket = folder.path().join("s");
    let _impostor = Impostor::start(&socket, move |client| {
        for line in lines.iter().cycle().take(300) {
            if client.write_all(line.as_bytes()).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(30));
        }
    });
    let screen = attach(&socket, 120, 40);
    screen.wait_until("attached", |text| header(text).contains("ATTACHED"));
    // Every view, and what opens in it, over all of them.
    for view in 1..=9 {
        screen.press(&format!("{view}"));
        thread::sleep(Duration::from_millis(250));
        screen.press("g\r");
        thread::sleep(Duration::from_millis(100));
        screen.press("\x1b");
        thread::sleep(Duration::from_millis(100));
    }
    screen.press("q");
    let (status, text) = screen.end();
    assert!(status.success() && !text.contains("panicked"), "{status:?} {text}");
}

#[test]
fn who_is_silent_or_drips_is_left_by_every_command() {
    let drip = |client: &mut UnixStream| {
        while client.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(200));
        }
    };
    let halt = |client: &mut UnixStream| {
        let _ = client.write_all(b"{\"ok\":true,");
        // Until the other end hangs up.
        while client.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
    };
    let silent = |client: &mut UnixStream| while client.read(&mut [0; 64]).is_ok_and(|count| count > 0) {};
    type Server = fn(&mut UnixStream);
    let servers: [(&str, Server); 3] = [("drips", drip), ("halts", halt), ("is silent", silent)];
    let commands =
        ["subscribe", "status", "snapshot --limit 0", "export --format csv", "maps", "history --port 1", "stop"];
    thread::scope(|scope| {
        for ((name, server), command) in
            servers.into_iter().flat_map(|server| commands.map(|command| (server, command)))
        {
            scope.spawn(move || {
                let folder = TempDir::new().expect("a folder");
                let socket = folder.path().join("s");
                let _impostor = Impostor::start(&socket, server);
                let mut ctl = Command::new(program::path("nettopctl"));
                ctl.arg("--control-socket").arg(&socket).args(command.split(' '));
                let mut child = program::spawn(ctl.stdout(Stdio::null()).stderr(Stdio::piped()));
                // Half a minute, and then some on a busy machine.
                let ended = wait_for(|| child.try_wait().expect("asking about a child"))
                    .or_else(|| wait_for(|| child.try_wait().expect("asking about a child")))
                    .or_else(|| wait_for(|| child.try_wait().expect("asking about a child")));
                let _ = child.kill();
                let mut told = String::new();
                child.stderr.take().expect("a pipe").read_to_string(&mut told).expect("text");
                assert_eq!(ended.and_then(|status| status.code()), Some(1), "{command} to one that {name}: {told}");
                assert!(told.contains("came within 30 s: the monitor hangs"), "{command} to one that {name}: {told}");
            });
        }
    });
}
