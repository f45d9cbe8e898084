//! `cargo xtask shots`: the pictures in the README.

use anyhow::Result;

use crate::{process, workspace::Workspace};

/// Where they are, from the workspace's root.
const FOLDER: &str = "docs";

/// Make the pictures in the README: nettop's screen over a made-up capture, as docs/*.svg
#[derive(clap::Args)]
pub struct Args {
    /// Only look whether the committed ones are what would be made
    #[arg(long)]
    pub check: bool,
}

/// Draws them, or compares.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--locked", "--quiet", "--package", "nettop-shots", "--", FOLDER]);
    if args.check {
        cargo.arg("--check");
    }
    process::run(&mut cargo)
}
