//! What the eBPF object is made from: files, packages, settings; each with a hash, and one hash over all.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::FLAGS;

/// The members of the workspace that the object is compiled from.
const MEMBERS: [&str; 2] = ["nettop-ebpf", "nettop-common"];

/// The sources of the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectSources {
    /// The SHA-256 of every file, by its path in the workspace.
    pub files: BTreeMap<String, String>,
    /// Every package from a registry whose code goes in, as "name version", with its checksum from `Cargo.lock`.
    pub packages: BTreeMap<String, String>,
    /// What the workspace's `Cargo.toml` says about it: profile, edition, dependencies; and the flags of the compiler.
    pub settings: BTreeMap<String, String>,
}

impl ObjectSources {
    /// Reads the sources as they are now. `packages` names them as the keys of [`ObjectSources::packages`] do.
    pub fn read<'a>(root: &Path, packages: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let locked = locked(root)?;
        let absent = || "not in Cargo.lock".to_owned();
        let packages: BTreeMap<String, String> =
            packages.into_iter().map(|key| (key.to_owned(), locked.get(key).cloned().unwrap_or_else(absent))).collect();
        let names = packages.keys().filter_map(|key| key.split(' ').next());
        let settings = settings(root, names.chain(MEMBERS).chain(["*"]))?;
        Ok(Self { files: files(root)?, packages, settings })
    }

    /// One hash over everything.
    pub fn sha256(&self) -> String {
        let Self { files, packages, settings } = self;
        let mut hash = Sha256::new();
        for (kind, entries) in [("file", files), ("package", packages), ("setting", settings)] {
            for (name, value) in entries {
                hash.update(format!("{kind}\0{name}\0{value}\n"));
            }
        }
        hex(&hash.finalize())
    }

    /// The names of everything in which two sets of sources differ.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let pairs = [(&self.files, &other.files), (&self.packages, &other.packages), (&self.settings, &other.settings)];
        let mut names: Vec<String> = pairs
            .iter()
            .flat_map(|(ours, theirs)| {
                ours.keys().chain(theirs.keys()).filter(|name| ours.get(*name) != theirs.get(*name)).cloned()
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `Cargo.toml`, `build.rs` and everything under `src` of the members.
fn files(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut open: Vec<PathBuf> = Vec::new();
    for member in MEMBERS {
        let folder = root.join(member);
        open.extend([folder.join("Cargo.toml"), folder.join("src")]);
        open.extend(Some(folder.join("build.rs")).filter(|script| script.exists()));
    }
    let mut found = BTreeMap::new();
    while let Some(path) = open.pop() {
        let cannot_read = || format!("cannot read {}, a source of the eBPF object", path.display());
        if path.is_dir() {
            for entry in fs::read_dir(&path).with_context(cannot_read)? {
                open.push(entry.with_context(cannot_read)?.path());
            }
        } else if !is_left_by_an_editor(&path) {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.insert(name, sha256(&fs::read(&path).with_context(cannot_read)?));
        }
    }
    Ok(found)
}

fn is_left_by_an_editor(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(['.', '#']) || name.ends_with(['~', '#'])
}

/// Every package in `Cargo.lock`, as "name version", with its checksum.
fn locked(root: &Path) -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
        source: Option<String>,
        checksum: Option<String>,
    }
    let lock: Lock = read_toml(&root.join("Cargo.lock"))?;
    let value = |package: &Package| package.checksum.clone().or_else(|| package.source.clone()).unwrap_or_default();
    Ok(lock.package.iter().map(|package| (format!("{} {}", package.name, package.version), value(package))).collect())
}

/// The settings outside the members' own files; `packages` are those whose own part of the profile counts.
fn settings<'a>(root: &Path, packages: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, String>> {
    let manifest: toml::Table = read_toml(&root.join("Cargo.toml"))?;
    let at = |path: &[&str]| path.iter().try_fold(&manifest, |table, key| table.get(*key)?.as_table());
    let mut found = BTreeMap::from([("flags".to_owned(), FLAGS.join(" "))]);

    let mut profile = at(&["profile", "release"]).cloned().unwrap_or_default();
    profile.extend(at(&["profile", "ebpf"]).cloned().unwrap_or_default());
    let of_packages = profile.remove("package");
    for name in packages {
        let own = of_packages.as_ref().and_then(|all| all.get(name)?.as_table()).into_iter().flatten();
        let other: toml::Table = own
            .filter(|(key, value)| profile.get(*key) != Some(*value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if !other.is_empty() {
            found.insert(format!("profile of {name}"), canonical(&other)?);
        }
    }
    found.insert("profile".to_owned(), canonical(&profile)?);

    if let Some(edition) = at(&["workspace", "package"]).and_then(|package| package.get("edition")) {
        found.insert("edition".to_owned(), canonical(edition)?);
    }
    let shared = at(&["workspace", "dependencies"]).cloned().unwrap_or_default();
    for member in MEMBERS {
        let member: toml::Table = read_toml(&root.join(member).join("Cargo.toml"))?;
        for name in member.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys) {
            if let Some(dependency) = shared.get(name) {
                found.insert(format!("dependency {name}"), canonical(dependency)?);
            }
        }
    }
    Ok(found)
}

/// A value as JSON with sorted keys: the layout of the file does not matter.
fn canonical(value: &impl Serialize) -> Result<String> {
    let sorted: BTreeMap<String, serde_json::Value>;
    let value = serde_json::to_value(value).context("a setting that JSON cannot express")?;
    match value {
        serde_json::Value::Object(entries) => {
            sorted = entries.into_iter().collect();
            Ok(serde_json::to_string(&sorted)?)
        }
        plain => Ok(plain.to_string()),
    }
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not what was expected", path.display()))
}
