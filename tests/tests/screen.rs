//! The screen, at a terminal: what is typed and clicked has its effect outside.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use nettop_tests::{
    monitor,
    program::{self, wait_for},
    screen::Screen,
    terminal::{self, Terminal, questions},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The file in a folder whose name ends so.
fn file(folder: &Path, end: &str) -> Option<PathBuf> {
    let mut paths = fs::read_dir(folder).expect("a folder").filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.to_string_lossy().ends_with(end))
}

#[test]
fn views_are_filtered_and_exported_by_keys_and_mouse() {
    let folder = TempDir::new().expect("a folder");
    let socket = folder.path().join("s");
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--seed", "7", "--control-socket"]).arg(&socket).current_dir(folder.path());
    let mut keyboard = Terminal::of(&mut command, 120, 40).expect("a terminal").keyboard;
    let mut child = program::spawn(&mut command);
    // Only the program holds its end then.
    drop(command);
    let all_sources = || {
        let answer = monitor::ask(&socket, &json!({"cmd": "snapshot"})).ok()?;
        (answer["snapshot"]["unique_ips"] == 48).then(|| answer["snapshot"]["ips"].as_array().cloned())?
    };
    let sources = wait_for(all_sources).expect("48 sources");
    let mut types = |text: &str| keyboard.write_all(text.as_bytes()).expect("a keyboard");

    types("/country:US or country:DE\rE");
    let csv = wait_for(|| file(folder.path(), "-sources.csv")).expect("the rows of the view");
    let mut rows = csv_rows(&csv);
    let mut expected: Vec<_> = sources
        .iter()
        .filter(|row| row["country_code"] == "US" || row["country_code"] == "DE")
        .map(|row| row["ip"].as_str().expect("an address").to_string())
        .collect();
    rows.sort();
    expected.sort();
    assert!(!expected.is_empty());
    assert_eq!(rows, expected);

    // A click on the tab of the countries, whose names have two letters at this width.
    types("\x1b[<0;27;4M\x1b[<0;27;4m");
    let json = wait_for(|| {
        // One export at a time: the key means nothing until the one before has ended.
        types("E");
        file(folder.path(), "-countries.json")
    });
    let json = json.expect("the rows of the other view");
    let rows: Value = serde_json::from_str(&fs::read_to_string(json).expect("a file")).expect("JSON");
    let countries: std::collections::BTreeSet<_> = sources.iter().map(|row| row["country_code"].as_str()).collect();
    assert_eq!(rows.as_array().map(Vec::len), Some(countries.len()));

    types("q");
    let status = program::wait(&mut child);
    let _ = child.kill();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

/// The demonstration on a terminal, with what is drawn on it; it has begun to draw.
fn demo(folder: &TempDir, (columns, rows): (u16, u16)) -> (Child, Terminal, Arc<Mutex<Vec<u8>>>) {
    let mut command = Command::new(program::path("nettop"));
    let socket = folder.path().join("s");
    command.args(["demo", "--seed", "7", "--interval", "0.1", "--control-socket"]).arg(&socket).current_dir(folder);
    let (terminal, drawn) = terminal::record(&mut command, columns, rows).expect("a terminal");
    let child = command.spawn().expect("starting nettop");
    let begun = wait_for(|| (questions(&drawn.lock().expect("no panic")) > 1).then_some(()));
    assert!(begun.is_some(), "nothing is drawn");
    (child, terminal, drawn)
}

/// Types, waits until that has an effect, and returns what was drawn meanwhile.
fn drawn_by(terminal: &mut Terminal, drawn: &Mutex<Vec<u8>>, keys: &str, wait: Duration) -> Vec<u8> {
    let before = drawn.lock().expect("no panic").len();
    terminal.keyboard.write_all(keys.as_bytes()).expect("a keyboard");
    thread::sleep(wait);
    drawn.lock().expect("no panic")[before..].to_vec()
}

#[test]
fn nothing_is_drawn_where_nothing_changes() {
    let folder = TempDir::new().expect("a folder");
    let (mut child, mut terminal, drawn) = demo(&folder, (120, 40));
    let held = drawn_by(&mut terminal, &drawn, "f", Duration::from_secs(1));
    assert!(questions(&held) > 0, "a key that means something is drawn");
    // Unknown keys, movements of the mouse, answers that nobody asked for; and fifteen new snapshots.
    let keys = "**\x1b[99~\x1b[<35;20;20M\x1b[<35;21;20M\x1b[1;1R\x1b[?62c";
    let nothing = drawn_by(&mut terminal, &drawn, keys, Duration::from_millis(1500));
    // The clock may have come to the next minute.
    assert!(nothing.len() < 60, "{}", nothing.escape_ascii());

    terminal.keyboard.write_all(b"q").expect("a keyboard");
    let status = program::wait(&mut child);
    let _ = child.kill();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

#[test]
fn a_terminal_that_was_not_read_shows_what_is_newest_and_not_all_that_was() {
    let folder = TempDir::new().expect("a folder");
    let (mut child, mut terminal, drawn) = demo(&folder, (120, 40));
    terminal.look_away(true);
    let before = questions(&drawn.lock().expect("no panic"));
    // Fifteen snapshots, and a key for each of them.
    for _ in 0..15 {
        drawn_by(&mut terminal, &drawn, "\x1b[B", Duration::from_millis(100));
    }
    terminal.keyboard.write_all(b"/newest").expect("a keyboard");
    thread::sleep(Duration::from_millis(200));
    terminal.look_away(false);
    let newest =
        wait_for(|| String::from_utf8_lossy(&drawn.lock().expect("no panic")).contains("newest").then_some(()));
    let pictures = questions(&drawn.lock().expect("no panic")) - before;
    assert!(newest.is_some(), "what was typed is not shown");
    assert!(pictures < 8, "{pictures} pictures for what happened meanwhile");

    terminal.keyboard.write_all(b"\x03").expect("a keyboard");
    let status = program::wait(&mut child);
    let _ = child.kill();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let drawn = drawn.lock().expect("no panic");
    let (left, asked) =
        (find(&drawn, b"\x1b[?1049l"), drawn.windows(4).rposition(|window| window == terminal::QUESTION));
    assert!(left.is_some() && left > asked, "the terminal is given back, after the last picture");
}

/// The demonstration on a terminal of so many columns and rows, with these variables; it has drawn its sources.
fn shown(folder: &TempDir, (columns, rows): (u16, u16), variables: &[(&str, Option<&str>)]) -> Screen {
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--seed", "7", "--no-geo", "--interval", "0.2", "--control-socket"]);
    command.arg(folder.path().join("s")).current_dir(folder);
    for name in ["COLUMNS", "LINES", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // Of its own terminal, whose size it is told of.
    let screen = Screen::start_session(command, columns, rows);
    screen.wait_until("its sources", |text| text.contains("Sources") && text.contains("pps"));
    screen
}

/// Ends it.
fn quit(screen: Screen) {
    screen.press("\x03");
    assert!(screen.end().0.success());
}

#[test]
fn a_terminal_that_does_not_tell_its_size_is_drawn_on_all_the_same() {
    let folder = TempDir::new().expect("a folder");
    for (size, variables, expected) in [
        ((0, 0), &[][..], (80, 24)),
        ((0, 0), &[("COLUMNS", Some("60")), ("LINES", Some("20"))], (60, 20)),
        ((0, 20), &[("COLUMNS", Some("70"))], (70, 20)),
        ((0, 0), &[("COLUMNS", Some("wide")), ("LINES", Some("-1"))], (80, 24)),
    ] {
        let screen = shown(&folder, size, variables);
        // Rules are as wide as the screen, and the last line has the keys.
        let widest = |text: &str| text.lines().map(|line| line.trim_end().chars().count()).max();
        let drawn = |text: &str| (widest(text), text.lines().count()) == (Some(expected.0), expected.1);
        screen.wait_until(&format!("{expected:?} of {size:?}"), drawn);
        quit(screen);
    }
    // While it runs.
    let screen = shown(&folder, (100, 30), &[]);
    terminal::resize(&screen.terminal().keyboard, 0, 0);
    screen.press("?");
    screen.wait_until("80 by 24", |text| text.lines().all(|line| line.trim_end().chars().count() <= 80));
    quit(screen);
}

#[test]
fn the_largest_size_costs_bounded_memory() {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new(program::path("nettop"));
    command.args(["demo", "--no-geo", "--interval", "0.2", "--control-socket"]).arg(folder.path().join("s"));
    // What is drawn is thrown away: no test could keep it.
    let mut terminal = Terminal::of(command.current_dir(&folder), u16::MAX, u16::MAX).expect("a terminal");
    let mut child = program::spawn(&mut command);
    let highest = || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse::<u64>().ok())
    };
    // Until a picture is among it: three buffers of half a million cells.
    let drawn = wait_for(|| highest().filter(|kilobytes| *kilobytes > 50 << 10));
    thread::sleep(Duration::from_secs(1));
    let kilobytes = highest().expect("its memory");
    assert!(drawn.is_some(), "nothing is drawn: {kilobytes} KiB");
    assert!(kilobytes < 200 << 10, "{kilobytes} KiB; of all that it reports it would be gigabytes");
    terminal.keyboard.write_all(b"q").expect("a keyboard");
    let status = program::wait(&mut child);
    let _ = child.kill();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

#[test]
fn ascii_is_for_terminals_and_locales_without_more() {
    let folder = TempDir::new().expect("a folder");
    for (variables, ascii) in [
        (&[("LC_ALL", Some("C.UTF-8"))][..], false),
        (&[("LC_ALL", None), ("LANG", Some("en_US.utf8"))], false),
        (&[("LC_ALL", None), ("LC_CTYPE", Some("C")), ("LANG", Some("C.UTF-8"))], true),
        (&[("LC_ALL", Some("POSIX"))], true),
        (&[("LC_ALL", None)], true),
        (&[("TERM", Some("dumb"))], true),
        (&[("TERM", None)], true),
        (&[("LC_ALL", Some("C")), ("NETTOP_ASCII", Some("false"))], false),
        (&[("NETTOP_ASCII", Some("true"))], true),
    ] {
        let screen = shown(&folder, (120, 40), variables);
        // The rules above panels.
        screen.wait_until("a rule", |text| text.contains("──") || text.contains("-- "));
        let text = screen.text();
        assert_eq!(text.is_ascii(), ascii, "{variables:?}\n{text}");
        quit(screen);
    }
}

#[test]
fn a_terminal_whose_answers_are_lost_shows_on_and_says_so() {
    let folder = TempDir::new().expect("a folder");
    let screen = shown(&folder, (120, 40), &[]);
    screen.terminal().fall_silent(true);
    screen.wait_until("the badge", |text| text.contains("terminal silent"));
    // It still shows what is new, and what keys do.
    let before = screen.text();
    screen.wait_until("news", |text| text != before);
    screen.press("?");
    screen.wait_until("the help, with the reason", |text| text.contains("does not say when it has shown a picture"));
    screen.press("?");
    screen.terminal().fall_silent(false);
    screen.wait_until("no badge", |text| !text.contains("terminal silent"));
    quit(screen);
}

#[test]
fn however_much_is_typed_or_pasted_into_a_prompt_is_cut_and_told() {
    // A megabyte works too, but takes an unoptimised program a while.
    const MUCH: usize = 1 << 17;
    let folder = TempDir::new().expect("a folder");
    let screen = shown(&folder, (120, 40), &[]);
    let pasted = format!("\x1b[200~{}\x1b[201~", "x".repeat(MUCH));
    for typed in ["a".repeat(MUCH), pasted, "pps>1 or ".repeat(MUCH / 9)] {
        screen.press("/");
        screen.press(&typed);
        screen.wait_until("what was cut", |text| text.contains("cut: a prompt takes 512 characters"));
        // Keys are heeded: the prompt is closed, and the filter is what it was.
        screen.press("\x1b");
        screen.wait_until("no prompt", |text| !text.contains("Filter:"));
    }
    quit(screen);
}

fn find(drawn: &[u8], sequence: &[u8]) -> Option<usize> {
    drawn.windows(sequence.len()).position(|window| window == sequence)
}

/// The addresses in a file of sources.
fn csv_rows(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("a file");
    let mut lines = text.lines();
    let at = lines.next().expect("a header").split(',').position(|head| head == "ip").expect("a column of addresses");
    lines.map(|line| field(line, at)).collect()
}

/// One field of a line of CSV; names of places may hold commas, in quotes.
fn field(line: &str, at: usize) -> String {
    let mut quoted = false;
    let mut fields = vec![String::new()];
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().expect("there is always one").push(other),
        }
    }
    fields.swap_remove(at)
}
