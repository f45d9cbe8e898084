//! Every input that fuzzing found worth keeping goes through its target again, on a stable compiler and without libFuzzer.

use std::{collections::BTreeSet, fs, path::Path};

use nettop_tests::hostile::TARGETS;

fn fuzz() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz"))
}

fn names(folder: &str) -> BTreeSet<String> {
    let files = fs::read_dir(fuzz().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let name = |file: fs::DirEntry| file.path().file_stem().expect("a name").to_string_lossy().into_owned();
    files.map(|file| name(file.expect("a file"))).collect()
}

#[test]
fn seeds_break_nothing() {
    for target in TARGETS {
        let folder = fuzz().join("seeds").join(target.name);
        let seeds = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let seeds: Vec<_> = seeds.map(|seed| seed.expect("a file").path()).collect();
        assert!(!seeds.is_empty(), "{} has no seed", target.name);
        for seed in seeds {
            let bytes = fs::read(&seed).expect("a readable file");
            let whole = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(whole.is_ok(), "{} breaks {}", seed.display(), target.name);
        }
    }
}

#[test]
fn no_beginning_of_a_seed_breaks_anything() {
    for target in TARGETS {
        for seed in fs::read_dir(fuzz().join("seeds").join(target.name)).expect("seeds").take(4) {
            let bytes = fs::read(seed.expect("a file").path()).expect("a readable file");
            (0..bytes.len()).step_by(bytes.len() / 8 + 1).for_each(|length| (target.run)(&bytes[..length]));
        }
    }
}

/// The names stand in four places.
#[test]
fn every_target_can_be_fuzzed_and_has_seeds() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("seeds"), targets);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("a manifest");
    let programs: BTreeSet<_> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .collect();
    assert_eq!(programs, targets.iter().map(String::as_str).collect());
}
