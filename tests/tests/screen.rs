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

    // A click on the tab of the countries.
    types("\x1b[<0;52;4M\x1b[<0;52;4m");
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
    let keys = "ZZ\x1b[99~\x1b[<35;20;20M\x1b[<35;21;20M\x1b[1;1R\x1b[?62c";
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
