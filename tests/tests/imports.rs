//! Who may import whom, as the design says: an edge that is not in the table fails.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each module of `nettop`, and the modules it may import. A module's own files may always import each other;
/// `nettop_common` is open to all.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("reading", &[]),
    ("replay", &[]),
    ("maps", &[]),
    ("heap", &[]),
    ("memory", &[]),
    ("cause", &["memory"]),
    ("privilege", &["shell"]),
    ("random", &[]),
    ("rates", &[]),
    ("sandbox", &["cause", "snapshot"]),
    ("shell", &[]),
    ("totals", &[]),
    ("unique", &[]),
    ("visible", &[]),
    ("locale", &[]),
    ("winsize", &[]),
    ("format", &["visible"]),
    ("snapshot", &["reading", "replay", "totals"]),
    ("filter", &["snapshot"]),
    ("source", &["cause", "maps", "memory", "random", "reading", "replay", "privilege", "shell"]),
    ("ledger", &["heap", "rates", "totals"]),
    ("detect", &["format", "heap", "reading", "snapshot"]),
    // It writes JSON as the exporters do, and the client prints what it got through them.
    ("control", &["cause", "export", "maps", "sandbox", "shell", "snapshot", "visible"]),
    (
        "engine",
        &[
            "cause", "control", "detect", "export", "filter", "heap", "ledger", "random", "rates", "reading",
            "snapshot", "source", "unique",
        ],
    ),
    ("tui", &["cause", "control", "export", "format", "locale", "snapshot", "winsize"]),
    ("export", &["snapshot", "visible"]),
    // It looks at what others would use, and at nothing through the engine.
    (
        "doctor",
        &[
            "cause",
            "config",
            "control",
            "export",
            "locale",
            "memory",
            "privilege",
            "sandbox",
            "shell",
            "source",
            "visible",
            "winsize",
        ],
    ),
    ("update_db", &["export", "reading", "visible"]),
    (
        "cli",
        &[
            "control",
            "detect",
            "doctor",
            "engine",
            "filter",
            "locale",
            "sandbox",
            "snapshot",
            "source",
            "tui",
            "update_db",
        ],
    ),
    ("config", &["cause", "cli", "sandbox", "tui", "visible"]),
    ("manual", &["cli"]),
    // Lists the tables of everybody.
    ("features", EVERYTHING),
    // The wiring.
    ("files", &["cli", "export"]),
    ("attach", &["cause", "cli", "control", "files", "heap", "live", "reading", "sandbox", "snapshot"]),
    ("live", EVERYTHING),
    ("lib", EVERYTHING),
    ("main", &[]),
    ("bin", &[]),
];

/// Stands for every module.
const EVERYTHING: &[&str] = &["*"];

#[test]
fn modules_import_only_what_the_design_allows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nettop/src");
    let mut wrong = BTreeSet::new();
    let mut edges = 0;
    for file in rust_files(&root) {
        let path = file.strip_prefix(&root).expect("below the root").to_path_buf();
        let importer = module_of(&path);
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == importer) else {
            wrong.insert(format!("{}: the table has no row for {importer}", path.display()));
            continue;
        };
        let text = fs::read_to_string(&file).expect("a source file");
        for imported in imports(&text, depth(&path)) {
            if imported == importer || imported.is_empty() || !is_module(&root, &imported) {
                continue;
            }
            edges += 1;
            if *allowed != EVERYTHING && !allowed.contains(&imported.as_str()) {
                wrong.insert(format!("{}: {importer} must not import {imported}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
    assert!(edges > 20, "only {edges} imports were found: is this test still looking at the right place?");
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "
        //! See crate::nothing.
        use crate::alpha::Thing;
        pub use crate::{beta::{self, gamma}, delta as d, epsilon};
        use super::zeta;
        use super::super::eta; // crate::nothing
        let x = crate::theta::call(\"crate::nothing\");
    ";
    let found = |depth| imports(text, depth).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(found(1), "alpha beta delta epsilon theta zeta");
    assert_eq!(found(2), "alpha beta delta epsilon eta theta");
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The top-level module that a file belongs to.
fn module_of(path: &Path) -> String {
    let first = path.components().next().expect("a file has a name");
    let name = first.as_os_str().to_string_lossy();
    name.strip_suffix(".rs").unwrap_or(&name).to_string()
}

/// How many `super`s lead from a file's module to the root of the crate.
fn depth(path: &Path) -> usize {
    let parts = path.components().count();
    if path.ends_with("mod.rs") || path == Path::new("lib.rs") { parts - 1 } else { parts }
}

fn is_module(root: &Path, name: &str) -> bool {
    root.join(name).is_dir() || root.join(format!("{name}.rs")).is_file()
}

/// The first names behind `crate::`, and behind as many `super::` as lead to the root.
fn imports(text: &str, depth: usize) -> BTreeSet<String> {
    let code: Vec<_> = text.lines().map(without_comment_and_strings).collect();
    let code = code.join("\n");
    let mut found = BTreeSet::new();
    let to_root = "super::".repeat(depth.max(1));
    for prefix in ["crate::", &to_root] {
        for (at, _) in code.match_indices(prefix) {
            // `$crate::`, `some_crate::`, or one `super::` more.
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || "_$:".contains(c)) {
                continue;
            }
            found.extend(first_names(&code[at + prefix.len()..]));
        }
    }
    found.remove("super");
    found
}

fn without_comment_and_strings(line: &str) -> String {
    let code = line.split("//").next().unwrap_or_default();
    code.split('"').step_by(2).collect()
}

/// The name a path begins with, or those of each path of a group.
fn first_names(rest: &str) -> Vec<String> {
    let name =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut names = vec![name(group)];
    let mut depth = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}
