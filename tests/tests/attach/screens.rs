//! What stands on attached screens, and what their keys do.

use std::{fs, process::Command};

use nettop_tests::{
    program::{self, run, wait_for},
    screen::Screen,
};
use serde_json::json;
use tempfile::TempDir;

use crate::{attach, demo, header};

#[test]
fn two_screens_show_one_monitor_and_ending_them_does_not_end_it() {
    let folder = TempDir::new().expect("a folder");
    let socket = folder.path().join("s");
    let monitor = demo(&socket);
    let [first, second] = [(140, 40), (80, 24)].map(|(columns, rows)| attach(&socket, columns, rows));
    for screen in [&first, &second] {
        let text = screen.wait_until("attached", |text| header(text).contains("ATTACHED") && text.contains("TCP"));
        assert!(header(&text).starts_with(" DEMO "), "{text}");
    }
    // What one of them changes, both show.
    first.press("p443\r");
    for screen in [&first, &second] {
        screen.wait_until("filtered", |text| header(text).contains("any:443"));
    }
    first.press(" ");
    second.wait_until("paused", |text| header(text).starts_with(" PAUSED DEMO "));
    assert_eq!(monitor.command(&json!({"cmd": "status"}))["runtime"]["filter"]["port"], "443");
    first.press(" ");
    second.wait_until("resumed", |text| header(text).starts_with(" DEMO "));
    // The last minutes of a source, which the monitor has to be asked for.
    second.press("g\r");
    second.wait_until("a chart", |text| text.contains("── source ") && text.contains("60 s: ") && text.contains('█'));
    // Everything, in files.
    first.press("e");
    let written = |end: &str| {
        let mut names = fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
        names.find(|path| path.to_string_lossy().ends_with(end))
    };
    let json = wait_for(|| written(".snapshot.json")).expect("an export");
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(json).expect("a file")).expect("JSON");
    assert_eq!(whole["accounting"]["holds"], true);
    assert_eq!(whole["ips"].as_array().map(Vec::len), whole["unique_ips"].as_u64().map(|count| count as usize));
    wait_for(|| written(".top.csv")).expect("the table");

    first.press("q");
    let (status, _) = first.end();
    assert!(status.success(), "{status:?}");
    second.press("\x1b");
    second.wait_until("still there", |text| header(text).contains("ATTACHED"));
    assert_eq!(monitor.snapshot()["accounting"]["holds"], true);
}

#[test]
fn a_monitor_that_goes_is_told_at_once_and_found_again() {
    let folder = TempDir::new().expect("a folder");
    let socket = folder.path().join("s");
    let monitor = demo(&socket);
    let screen = attach(&socket, 160, 30);
    screen.wait_until("attached", |text| header(text).starts_with(" DEMO "));
    monitor.signal(libc::SIGKILL);
    monitor.end();
    let text = screen.wait_until("stale", |text| header(text).starts_with(" STALE "));
    assert!(header(&text).contains("no news for 00:00:0"), "{text}");
    screen.wait_until("looked for", |text| header(text).contains("no running monitor at"));
    // What it is asked meanwhile is refused, with the reason.
    screen.press("r");
    screen.wait_until("refused", |text| text.contains("error: no running monitor at"));
    let monitor = demo(&socket);
    screen.wait_until("back", |text| header(text).starts_with(" DEMO ") && !text.contains("no news"));
    monitor.stop();
    screen.wait_until("stale again", |text| header(text).starts_with(" STALE "));
    screen.press("q");
    assert!(screen.end().0.success());
}

#[test]
fn without_a_monitor_or_a_terminal_it_says_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    let (status, text) = attach(&folder.path().join("s"), 100, 10).end();
    let text = text.replace('\n', "");
    assert_eq!(status.code(), Some(1), "{text}");
    for part in ["no running monitor at", "start one (nettop, or systemctl start nettop)", "nettop attach SOCKET"] {
        assert!(text.contains(part), "{text}");
    }
    run(Command::new(program::path("nettop")).args(["attach", "/nowhere"])).expect_one_line("nettopctl subscribe");
}

#[test]
fn the_screen_is_as_its_options_say() {
    let folder = TempDir::new().expect("a folder");
    let socket = folder.path().join("s");
    let _monitor = demo(&socket);
    let mut command = Command::new(program::path("nettop"));
    command.args(["attach", "--ascii", "--theme", "none"]).arg(&socket);
    let screen = Screen::start(command, 120, 40);
    let text = screen.wait_until("attached", |text| header(text).contains("ATTACHED") && text.contains("-- Traffic"));
    assert!(text.is_ascii(), "{text}");
}
