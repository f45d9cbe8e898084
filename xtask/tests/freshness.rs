//! The committed object must come from the committed sources; and when it counts as stale, tried on a small workspace
//! made for the purpose.

use std::{fs, path::Path};

use xtask::{
    data,
    ebpf::{self, Identity, Manifest, ObjectSources},
    workspace,
};

#[test]
fn the_committed_object_comes_from_the_committed_sources() {
    if let Err(error) = ebpf::freshness(&workspace::root()) {
        panic!("{error:#}");
    }
}

#[test]
fn the_committed_location_data_are_what_their_manifest_describes() {
    if let Err(error) = data::freshness(&workspace::root()) {
        panic!("{error:#}");
    }
}

/// A workspace with an object that comes from its sources.
fn small_workspace() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for member in ["nettop-ebpf", "nettop-common"] {
        write(root.path(), &format!("{member}/Cargo.toml"), "[dependencies]\naya-ebpf.workspace = true\n");
        write(root.path(), &format!("{member}/src/main.rs"), "fn main() {}\n");
    }
    write(root.path(), "Cargo.toml", &manifest("0.2", "thin"));
    write(root.path(), "Cargo.lock", &lock("0.2.1", "1.0.0"));
    write(root.path(), ebpf::OBJECT, "object");
    describe(root.path());
    root
}

fn describe(root: &Path) {
    let version = || "1".to_owned();
    let toolchain = Identity {
        rustc: version(),
        rustc_llvm: version(),
        linker: version(),
        linker_llvm: version(),
        strip_llvm: version(),
    };
    Manifest::new(b"object", toolchain, ObjectSources::read(root, ["aya-ebpf 0.2.1"]).unwrap()).write(root).unwrap();
}

fn manifest(aya: &str, lto: &str) -> String {
    format!(
        "[workspace.package]\nedition = '2024'\n[workspace.dependencies]\naya-ebpf = '{aya}'\nserde = '1'\n\
         [profile.release]\nlto = '{lto}'\n[profile.ebpf]\nlto = true\n"
    )
}

fn lock(aya: &str, serde: &str) -> String {
    let package =
        |name, version| format!("[[package]]\nname = '{name}'\nversion = '{version}'\nchecksum = '{version}'\n");
    package("aya-ebpf", aya) + &package("serde", serde)
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn complaint(root: &Path) -> String {
    format!("{:#}", ebpf::freshness(root).expect_err("stale"))
}

#[test]
fn an_object_from_these_sources_is_fresh() {
    ebpf::freshness(small_workspace().path()).unwrap();
}

#[test]
fn a_changed_source_is_named_with_the_remedy() {
    let root = small_workspace();
    write(root.path(), "nettop-common/src/main.rs", "fn main() { }\n");
    let complaint = complaint(root.path());
    assert!(complaint.contains("changed since: nettop-common/src/main.rs. Run `cargo xtask ebpf`"), "{complaint}");
}

#[test]
fn a_new_source_counts_and_what_an_editor_left_does_not() {
    let root = small_workspace();
    write(root.path(), "nettop-ebpf/src/.main.rs.swp", "");
    write(root.path(), "nettop-ebpf/src/main.rs~", "");
    ebpf::freshness(root.path()).unwrap();
    write(root.path(), "nettop-ebpf/src/deep/new.rs", "");
    assert!(complaint(root.path()).contains("nettop-ebpf/src/deep/new.rs"));
}

#[test]
fn only_locked_packages_of_the_object_count() {
    let root = small_workspace();
    write(root.path(), "Cargo.lock", &lock("0.2.1", "1.0.1"));
    ebpf::freshness(root.path()).unwrap();
    write(root.path(), "Cargo.lock", &lock("0.2.2", "1.0.0"));
    assert!(complaint(root.path()).contains("aya-ebpf 0.2.1"));
}

#[test]
fn only_settings_of_the_object_count() {
    let root = small_workspace();
    // What the profile overrides does not reach the object.
    write(root.path(), "Cargo.toml", &manifest("0.2", "fat").replace("serde = '1'", "serde = '2'"));
    ebpf::freshness(root.path()).unwrap();
    write(root.path(), "Cargo.toml", &manifest("0.3", "thin"));
    assert!(complaint(root.path()).contains("dependency aya-ebpf"));
    write(root.path(), "Cargo.toml", &(manifest("0.2", "thin") + "opt-level = 3\n"));
    assert!(complaint(root.path()).contains("profile"));
    // Of packages, what they have otherwise than the profile, and only those of the object.
    let of_package = |name: &str, lto: &str| format!("[profile.release.package]\n{name}.lto = {lto}\n");
    for (of_package, counts) in [
        (of_package("serde", "false"), false),
        (of_package("nettop-common", "true"), false),
        (of_package("nettop-common", "false"), true),
        (of_package("aya-ebpf", "false"), true),
        (of_package("'*'", "false"), true),
    ] {
        write(root.path(), "Cargo.toml", &(manifest("0.2", "thin") + &of_package));
        assert_eq!(ebpf::freshness(root.path()).is_err(), counts, "{of_package}");
    }
}

#[test]
fn another_object_than_the_described_one_is_refused() {
    let root = small_workspace();
    write(root.path(), ebpf::OBJECT, "another");
    assert!(complaint(root.path()).contains("is not the object that data/nettop.bpf.json describes"));
}

#[test]
fn a_missing_manifest_names_its_path_and_the_remedy() {
    let root = small_workspace();
    fs::remove_file(root.path().join(ebpf::MANIFEST)).unwrap();
    let complaint = complaint(root.path());
    assert!(complaint.contains("data/nettop.bpf.json") && complaint.contains("cargo xtask ebpf"), "{complaint}");
}
