//! Which crate may depend on which. Cargo forbids circles by itself; this table forbids an arrow that points upwards before
//! anybody has drawn it.

use std::{collections::BTreeMap, fs, path::Path};

/// A crate, and the crates of this workspace that it may depend on: each stands above all of these. `nettop-common` is open to
/// all.
const LAYERS: &[(&str, &[&str])] = &[
    ("nettop-common", &[]),
    ("nettop-geo", &[]),
    ("nettop-process", &[]),
    ("nettop-model", &["nettop-geo"]),
    ("nettop-requests", &["nettop-model"]),
    ("nettop-logs", &["nettop-model"]),
    ("nettop-collect", &["nettop-logs", "nettop-model", "nettop-process"]),
    ("nettop-export", &["nettop-model"]),
    ("nettop-sandbox", &["nettop-model", "nettop-process"]),
    ("nettop-actor", &["nettop-logs", "nettop-model", "nettop-process", "nettop-sandbox"]),
    (
        "nettop-engine",
        &[
            "nettop-actor",
            "nettop-collect",
            "nettop-export",
            "nettop-geo",
            "nettop-model",
            "nettop-process",
            "nettop-requests",
        ],
    ),
    ("nettop-control", &["nettop-export", "nettop-model", "nettop-process", "nettop-requests", "nettop-sandbox"]),
    ("nettop-views", &["nettop-geo", "nettop-model"]),
    (
        "nettop-tui",
        &["nettop-export", "nettop-geo", "nettop-model", "nettop-process", "nettop-requests", "nettop-views"],
    ),
    (
        "nettop-web",
        &["nettop-control", "nettop-export", "nettop-model", "nettop-process", "nettop-requests", "nettop-views"],
    ),
];

/// What neither the crate of snapshots and requests nor the tables may pull into every client.
const HEAVY: [&str; 3] = ["aya", "tokio", "ratatui"];

#[test]
fn each_crate_depends_only_on_layers_below_it() {
    let found = dependencies();
    assert!(found.len() >= LAYERS.len(), "{found:?}");
    let mut wrong = Vec::new();
    for (at, (name, allowed)) in LAYERS.iter().enumerate() {
        let below = |other: &str| LAYERS[..at].iter().any(|(lower, _)| *lower == other);
        wrong.extend(allowed.iter().filter(|other| !below(other)).map(|other| format!("{other} is not below {name}")));
        let all = found.get(*name).unwrap_or_else(|| panic!("there is no crate {name}"));
        let own = all.iter().filter(|other| other.starts_with("nettop") && *other != "nettop-common");
        let climbing = own.filter(|other| !allowed.contains(&other.as_str()));
        wrong.extend(climbing.map(|other| format!("{name} must not depend on {other}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_library_has_its_layer() {
    let tools = ["nettop-bench", "nettop-scenarios", "nettop-shots"];
    for name in dependencies().keys().filter(|name| !tools.contains(&name.as_str())) {
        assert!(LAYERS.iter().any(|(known, _)| known == name), "{name} has no row in the table of layers");
    }
}

#[test]
fn the_model_and_the_views_are_light() {
    let found = dependencies();
    for light in ["nettop-model", "nettop-views"] {
        let heavy: Vec<_> = HEAVY.iter().filter(|heavy| found[light].iter().any(|name| name == *heavy)).collect();
        assert!(heavy.is_empty(), "{light} depends on {heavy:?}");
    }
}

/// What the libraries depend on, those of their tests excepted.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let crates = fs::read_dir(root.join("crates")).expect("the folder of crates");
    let folders = crates.map(|entry| entry.expect("an entry").path()).chain([root.join("nettop-common")]);
    folders
        .map(|folder| {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
            let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
            let section = section.split("\n[").next().unwrap_or_default();
            let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
            let names = names.filter(|name| !name.is_empty() && !name.starts_with(['#', '[']));
            let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
            (name, names.map(String::from).collect())
        })
        .collect()
}
