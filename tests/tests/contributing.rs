//! CONTRIBUTING.md says where something new goes: one file and one row. That is true of what is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

const TEXT: &str = include_str!("../../CONTRIBUTING.md");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The texts between backticks.
fn spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

fn rows() -> impl Iterator<Item = &'static str> {
    let table = TEXT.lines().skip_while(|line| !line.starts_with("| a new")).skip(2);
    table.take_while(|line| line.starts_with('|'))
}

#[test]
fn every_place_of_the_table_exists() {
    let mut found = 0;
    let mut missing = Vec::new();
    for row in rows() {
        for span in spans(row).into_iter().filter(|span| span.contains('/') && !span.contains([' ', ':'])) {
            found += 1;
            if !root().join(span).exists() && !span.starts_with("panel/") && !span.starts_with("request/") {
                missing.push(format!("{span}: {row}"));
            }
        }
    }
    assert!(found > 60, "only {found} places were found: is this test still looking at the right table?");
    // Folders that are named within another one.
    let inner = ["cli/"];
    missing.retain(|place| !inner.iter().any(|inner| place.starts_with(inner)));
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_table_of_rows_is_in_the_file_that_is_named_for_it() {
    let mut found = 0;
    for row in rows() {
        let parts: Vec<_> = row.split(" in `").collect();
        for pair in parts.windows(2) {
            // What stands in backticks just before "in".
            let Some(name) = pair[0].rsplit('`').nth(1).filter(|_| pair[0].ends_with('`')) else { continue };
            let Some(file) = pair[1].split('`').next().filter(|file| file.ends_with(".rs")) else { continue };
            let path = root().join(file);
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let word = name.trim_end_matches('!').rsplit("::").next().unwrap_or(name);
            if word.is_empty() || word.contains([' ', '/', '[']) {
                continue;
            }
            found += 1;
            assert!(text.contains(word), "{name} is not in {file}: {row}");
        }
    }
    assert!(found > 25, "only {found} tables were found: is this test still looking at the right table?");
}

/// One of each kind: its identifier, its own file, and the file with its row.
const ONE_OF_EACH: &[(&str, &str, &str, &str)] = &[
    ("view", "interfaces::TABLE", "crates/nettop-views/src/view/interfaces.rs", "crates/nettop-views/src/view/mod.rs"),
    ("panel", "degraded::render", "crates/nettop-tui/src/panel/degraded.rs", "crates/nettop-tui/src/panel/mod.rs"),
    (
        "rule",
        "udp_flood::RULE",
        "crates/nettop-engine/src/detect/udp_flood.rs",
        "crates/nettop-engine/src/detect/mod.rs",
    ),
    ("form of export", "prefixes::of_json", "crates/nettop-export/src/prefixes.rs", "crates/nettop-export/src/lib.rs"),
    ("counter of the host", "TcpExtTCPZeroWindowDrop", "", "crates/nettop-collect/src/host/counters.rs"),
    ("group", "MacList", "crates/nettop-model/src/snapshot/lists.rs", "crates/nettop-model/src/snapshot/groups.rs"),
    (
        "request",
        "history::History",
        "crates/nettop-model/src/request/history.rs",
        "crates/nettop-model/src/request/mod.rs",
    ),
];

#[test]
fn one_new_thing_is_one_file_and_one_row() {
    let mut sources = Vec::new();
    for folder in ["crates", "nettop/src"] {
        rust_files(&root().join(folder), &mut sources);
    }
    assert!(sources.len() > 300, "only {} files were found", sources.len());
    for (kind, identifier, own, row) in ONE_OF_EACH {
        let mut elsewhere = Vec::new();
        for path in &sources {
            let name = path.strip_prefix(root()).expect("below the root").display().to_string();
            // Fixtures and tests may know everything; the groups are filled in one place and flattened in another.
            let is_test = name.contains("/tests") || name.ends_with("fixture.rs") || name.ends_with("snapshot/mod.rs");
            let is_flat = name.starts_with("crates/nettop-model/src/flat/") || name.contains("/publish/");
            if name == *own || name == *row || is_test || is_flat {
                continue;
            }
            let text = fs::read_to_string(path).expect("a source file");
            elsewhere.extend(text.contains(identifier).then_some(name));
        }
        assert!(elsewhere.len() <= 1, "a new {kind} is known in {elsewhere:?}, too");
    }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
