//! `cargo xtask dist`: the Debian package, by cargo-deb from the metadata in `nettop/Cargo.toml`. What has to be generated
//! first lies in `release/dist` of the build output.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{process, workspace::Workspace};

/// Build nettop for release and make a Debian package of it
#[derive(clap::Args)]
pub struct Args {
    /// Where to put the package [default: debian in the build output]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// What nettop prints about itself, and the files that hold it.
const GENERATED: &[(&str, &[&str])] = &[
    ("nettop.1", &["man"]),
    ("nettopctl.1", &["man", "--program", "nettopctl"]),
    ("nettop.bash", &["completions", "bash"]),
    ("nettopctl.bash", &["completions", "bash", "--program", "nettopctl"]),
    ("nettop.zsh", &["completions", "zsh"]),
    ("nettopctl.zsh", &["completions", "zsh", "--program", "nettopctl"]),
    ("nettop.fish", &["completions", "fish"]),
    ("nettopctl.fish", &["completions", "fish", "--program", "nettopctl"]),
];

/// As in `nettop/Cargo.toml`.
const MAINTAINER: &str = "the nettop developers <nettop@localhost>";

/// Makes the package, and prints where it is.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if process::read(workspace.cargo().args(["deb", "--version"])).is_err() {
        bail!("cargo-deb is missing, which makes the package; run: cargo install cargo-deb --locked");
    }
    process::run(workspace.cargo().args(["build", "--locked", "--release", "--package", "nettop", "--bins"]))?;
    let release = workspace.target.join("release");
    generate(&release.join("nettop"), &release.join("dist"), &workspace.root)?;

    let output = args.output.clone().unwrap_or_else(|| workspace.target.join("debian"));
    let mut deb = workspace.cargo();
    deb.args(["deb", "--locked", "--package", "nettop", "--no-build", "--output"]).arg(&output);
    process::run(&mut deb)
}

fn generate(nettop: &Path, folder: &Path, root: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for (name, arguments) in GENERATED {
        write(name, process::read(Command::new(nettop).args(*arguments))?)?;
    }
    write("changelog.Debian", changelog(root)?)?;
    write("copyright", copyright(root)?)?;
    // Debian wants these compressed; cargo-deb leaves alone what lies in the build output.
    let compressed = ["nettop.1", "nettopctl.1", "changelog.Debian"].map(|name| folder.join(name));
    process::run(Command::new("gzip").args(["--force", "--best", "--no-name"]).args(compressed))
}

/// The one entry that Debian asks for, as old as the last commit, so that the same commit makes the same package.
fn changelog(root: &Path) -> Result<String> {
    let date = process::read(Command::new("git").current_dir(root).args(["log", "-1", "--format=%aD"]))?;
    Ok(format!(
        "nettop ({}-1) unstable; urgency=medium\n\n  * CHANGELOG.md of the sources tells what is new.\n\n -- {MAINTAINER}  {date}",
        env!("CARGO_PKG_VERSION")
    ))
}

/// Our licence, and whose data comes along.
fn copyright(root: &Path) -> Result<String> {
    let read = |name: &str| fs::read_to_string(root.join(name));
    let licence = read("LICENSE").context("cannot read LICENSE")?;
    Ok(match read("NOTICE") {
        Ok(notice) => format!("{licence}\n{notice}"),
        Err(_) => licence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maintainer_is_the_same_everywhere() {
        let manifest: toml::Table = include_str!("../../nettop/Cargo.toml").parse().expect("a manifest");
        assert_eq!(manifest["package"]["metadata"]["deb"]["maintainer"].as_str(), Some(MAINTAINER));
    }
}
