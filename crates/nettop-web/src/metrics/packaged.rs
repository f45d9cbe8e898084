//! What packaging has of the metrics: each that it names is exported.

use std::{collections::BTreeSet, fs, path::Path};

/// The words of a text that are names of metrics.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| word.starts_with("nettop_")).map(String::from).collect()
}

#[test]
fn dashboards_and_rules_name_only_what_is_exported() {
    let exported: BTreeSet<_> = super::exported().map(|(name, _)| name).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in ["packaging/grafana/nettop.json", "packaging/prometheus/nettop.rules.yml", "docs/web.md"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let unknown: Vec<_> = named(&text).difference(&exported).cloned().collect();
        assert!(!named(&text).is_empty() && unknown.is_empty(), "{file}: {unknown:?}");
    }
    let text = fs::read_to_string(root.join("docs/web.md")).unwrap();
    let missing: Vec<_> = exported.difference(&named(&text)).cloned().collect();
    assert!(missing.is_empty(), "docs/web.md lacks {missing:?}");
}
