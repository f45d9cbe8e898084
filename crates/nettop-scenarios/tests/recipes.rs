//! Every recipe can be read, and says what can be made.

use std::{collections::BTreeSet, path::Path};

use nettop_engine::detect::{RULES, visits};
use nettop_scenarios::{play::Form, recipe::Recipes, verdict, world::World};

/// Kinds that no scenario needs to be about: what they tell is not an attack.
const MERE_NOTES: [&str; 4] = ["heavy-traffic", "high-pps", "new-ip", "new-mac"];

fn kinds() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.kind)
}

fn recipes() -> Recipes {
    Recipes::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/detect")).expect("recipes that can be read")
}

#[test]
fn every_recipe_can_be_made() {
    let recipes = recipes();
    for scenario in &recipes.scenarios {
        let world = World::new(scenario, &recipes).unwrap_or_else(|error| panic!("{}: {error:#}", scenario.name));
        assert!(world.ends_ns > world.begins_ns, "{}", scenario.name);
        let is_form = |asked: &String| Form::ALL.iter().any(|form| form.label() == asked);
        assert!(scenario.forms.iter().all(is_form), "{}: {:?}", scenario.name, scenario.forms);
        verdict::check(scenario).unwrap_or_else(|error| panic!("{}: {error:#}", scenario.name));
    }
    assert!(recipes.scenarios.len() >= 140, "{} scenarios", recipes.scenarios.len());
}

#[test]
fn every_kind_is_expected_somewhere_and_no_other() {
    let recipes = recipes();
    let expected: BTreeSet<_> =
        recipes.scenarios.iter().flat_map(|scenario| &scenario.expect).map(String::as_str).collect();
    let unknown: Vec<_> = expected.iter().filter(|kind| !kinds().any(|known| known == **kind)).collect();
    assert!(unknown.is_empty(), "there are no alerts called {unknown:?}");
    // No packets raise those that are about logs: `nettop-engine/src/logs/tests.rs` has lines that do, and lines that do not.
    let needs_none = |kind: &&str| MERE_NOTES.contains(kind) || visits::KINDS.contains(kind);
    let missing: Vec<_> = kinds().filter(|kind| !expected.contains(kind) && !needs_none(kind)).collect();
    assert!(missing.is_empty(), "no scenario expects {missing:?}");
}
