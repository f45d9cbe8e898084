//! Which packages the eBPF object is made of, and where their sources lie.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{PACKAGE, TARGET};
use crate::process;

/// A package outside the workspace whose code goes into the object.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The folder of its sources.
    pub folder: PathBuf,
}

/// The packages that are compiled for BPF and the macros that write code for them, downloaded if need be. Left out is
/// what these macros and build scripts are themselves built from: it does not go into the object.
pub fn of_the_object(cargo: &mut Command) -> Result<BTreeSet<Package>> {
    cargo.args(["metadata", "--format-version=1", "--locked", "--filter-platform", TARGET]);
    let text = process::read(cargo).context("cannot list the packages of the eBPF program")?;
    let metadata = serde_json::from_str(&text).context("`cargo metadata` printed unexpected JSON")?;
    walk(&metadata).with_context(|| format!("`cargo metadata` does not know the package {PACKAGE}"))
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    version: String,
    source: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

/// `None` is a normal dependency; the others are "build" and "dev".
#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

fn walk(metadata: &Metadata) -> Option<BTreeSet<Package>> {
    let packages: BTreeMap<&str, &MetadataPackage> = metadata.packages.iter().map(|p| (p.id.as_str(), p)).collect();
    let nodes: BTreeMap<&str, &Node> = metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();

    let start = metadata.packages.iter().find(|package| package.name == PACKAGE && package.source.is_none())?;
    let mut seen = BTreeSet::from([start.id.as_str()]);
    let mut open = vec![start.id.as_str()];
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        let package = packages.get(id)?;
        if package.source.is_some() {
            found.insert(Package {
                name: package.name.clone(),
                version: package.version.clone(),
                folder: package.manifest_path.parent()?.to_path_buf(),
            });
        }
        if package.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro")) {
            continue;
        }
        let normal = |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        for dependency in nodes.get(id)?.deps.iter().filter(normal) {
            if seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    Some(found)
}
