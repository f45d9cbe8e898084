//! The screen, at a terminal: what is typed and clicked has its effect outside.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use nettop_tests::{
    monitor,
    program::{self, wait_for},
    terminal::Terminal,
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
