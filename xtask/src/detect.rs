//! `cargo xtask detect`: what detection finds, scenario by scenario.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result};

use crate::{process, workspace::Workspace};

/// Show what detection finds: each scenario of tests/detect, with recall, false alarms, delay and target
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Arguments, such as `--only syn --verbose`, `pcap NAME FILE`, or `--help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// Builds the scenarios, optimised but quickly, and becomes them.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let error = command(workspace)?.args(&args.arguments).exec();
    Err(error).context("cannot start nettop-scenarios")
}

/// Builds the scenarios; returns the command that plays them.
pub fn command(workspace: &Workspace) -> Result<Command> {
    process::run(workspace.cargo().args([
        "build",
        "--locked",
        "--profile",
        "detect",
        "--package",
        "nettop-scenarios",
    ]))?;
    Ok(Command::new(workspace.target.join("detect/nettop-scenarios")))
}
