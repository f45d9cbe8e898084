//! Scenarios as files: which alerts a kind of traffic raises, and which it does not.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
};

use nettop_engine::detect::RULES;
use nettop_tests::scenario::Scenario;

/// Told of each address that is new, whoever it is.
const OF_ADDRESSES: [&str; 2] = ["new-ip", "new-mac"];

/// What came of a scenario.
struct Played {
    path: PathBuf,
    /// The kinds of alerts that it is to raise.
    raised: Vec<String>,
    /// The kinds that it raised.
    kinds: Vec<String>,
}

fn play(path: PathBuf) -> Played {
    let text = fs::read_to_string(&path).expect("a scenario");
    assert!(text.len() <= 4096, "{} is no recipe any more", path.display());
    let scenario: Scenario = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let snapshot = scenario.play();
    let accounting = snapshot.traffic.accounting;
    assert!(accounting.holds && accounting.seen.packets > 0, "{}: {accounting:?}", path.display());
    let kinds: BTreeSet<_> = snapshot.alerts.iter().map(|alert| alert.kind.to_string()).collect();
    let kinds = kinds.into_iter().filter(|kind| !OF_ADDRESSES.contains(&kind.as_str())).collect();
    Played { path, raised: scenario.raised, kinds }
}

#[test]
fn each_kind_of_traffic_raises_its_alerts_and_no_others() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let (mut found, mut wrong, mut fired) = (0, Vec::new(), BTreeSet::new());
    let paths = fs::read_dir(folder).expect("the folder of scenarios").map(|entry| entry.expect("an entry").path());
    let played: Vec<_> = paths.map(|path| thread::spawn(move || play(path))).collect();
    for scenario in played {
        let Played { path, raised, kinds } = scenario.join().expect("a scenario that is played");
        fired.extend(kinds.iter().cloned());
        if kinds != raised {
            wrong.push(format!("{}: {kinds:?} instead of {raised:?}", path.display()));
        }
        found += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found >= 2 * (RULES.len() - OF_ADDRESSES.len()), "only {found} scenarios");
    let silent: Vec<_> = RULES.iter().map(|rule| rule.kind).filter(|kind| !fired.contains(*kind)).collect();
    assert_eq!(silent, OF_ADDRESSES, "each rule has a scenario in which it fires");
}
