//! `data/nettop.bpf.json`: what the committed object was made from, and with.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::{
    MANIFEST, OBJECT,
    sources::{ObjectSources, sha256},
    toolchain::Identity,
};

/// Stands beside the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The SHA-256 of the object.
    pub object_sha256: String,
    /// The SHA-256 over all of `sources`.
    pub sources_sha256: String,
    /// The programs that made it.
    pub toolchain: Identity,
    /// What it was made from.
    pub sources: ObjectSources,
}

impl Manifest {
    /// Describes a freshly built object.
    pub fn new(object: &[u8], toolchain: Identity, sources: ObjectSources) -> Self {
        Self { object_sha256: sha256(object), sources_sha256: sources.sha256(), toolchain, sources }
    }

    /// Reads the committed one.
    pub fn read(root: &Path) -> Result<Self> {
        let path = root.join(MANIFEST);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}; `cargo xtask ebpf` writes it", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged; `cargo xtask ebpf` writes it anew", path.display()))
    }

    /// Writes it as the committed one.
    pub fn write(&self, root: &Path) -> Result<()> {
        let path = root.join(MANIFEST);
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Fails unless the committed object is the one its manifest describes, and comes from the sources as they are now. It
/// compiles nothing and needs no toolchain.
pub fn freshness(root: &Path) -> Result<()> {
    let manifest = Manifest::read(root)?;
    let path = root.join(OBJECT);
    let object = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if sha256(&object) != manifest.object_sha256 {
        bail!("{OBJECT} is not the object that {MANIFEST} describes; run `cargo xtask ebpf` and commit both");
    }
    let now = ObjectSources::read(root, manifest.sources.packages.keys().map(String::as_str))?;
    if now.sha256() != manifest.sources_sha256 {
        let changed = now.differences(&manifest.sources);
        let changed = if changed.is_empty() { "the manifest itself".to_owned() } else { changed.join(", ") };
        bail!(
            "{OBJECT} does not come from the sources as they are now; changed since: {changed}. \
             Run `cargo xtask ebpf` and commit {OBJECT} and {MANIFEST} with the change"
        );
    }
    Ok(())
}
