//! `cargo xtask test`: every test, and at the end a list of those that could not run here.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::{privilege, process, workspace::Workspace};

/// Names the file to which a test that cannot run here appends `SKIPPED <test>: <reason>`.
const SKIPS: &str = "NETTOP_SKIPS";

/// Run every test, those of the kernel program too where that is allowed, and list what was skipped and why
#[derive(Default, clap::Args)]
pub struct Args {
    /// Arguments for `cargo test`, such as `-- --package nettop-tests`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// Runs all tests.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if privilege::is_root()? && process::find("ip", &privilege::ADMINISTRATION).is_none() {
        bail!(
            "the tests run as root and make network namespaces with `ip`, which is missing; on Debian: apt-get install iproute2"
        );
    }
    fs::create_dir_all(&workspace.target).with_context(|| format!("cannot make {}", workspace.target.display()))?;
    let skips = workspace.target.join("skipped-tests.txt");
    fs::write(&skips, "").with_context(|| format!("cannot write {}", skips.display()))?;

    // Some tests start the programs.
    process::run(workspace.cargo().args(["build", "--package", "nettop", "--bins"]))?;
    let mut tests = workspace.cargo();
    // Started by sudo, they want root, and not whoever called it.
    tests
        .args(["test", "--no-fail-fast"])
        .args(&args.arguments)
        .env(SKIPS, &skips)
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .env_remove("SUDO_USER");
    let result = process::run(&mut tests);
    report(&skips)?;
    result
}

/// Prints what the tests wrote about themselves.
fn report(skips: &Path) -> Result<()> {
    let text = fs::read_to_string(skips).with_context(|| format!("cannot read {}", skips.display()))?;
    let lines: BTreeSet<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        println!("nothing was skipped");
        return Ok(());
    }
    println!("{} tests were skipped:", lines.len());
    for line in lines {
        println!("    {line}");
    }
    Ok(())
}
