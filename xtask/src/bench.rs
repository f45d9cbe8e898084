//! `cargo xtask bench`: release builds of nettop and of its benchmarks, which measure them.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result};

use crate::{process, workspace::Workspace};

/// All of them, with what of their arguments is to be shown to work, too.
pub const BENCHMARKS: [&str; 11] = [
    "cost",
    "flood",
    "flood --ipv6 --hot 50 --cpus 2",
    "carpet",
    "hitters",
    "tick",
    "idle",
    "start",
    "sockets",
    "logs",
    "web",
];

/// Measure what nettop costs, as root: cost, flood, carpet, hitters, tick, idle, start, sockets, logs, web
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Which benchmark, and its arguments, such as `cost`, or `flood --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// Builds everything for release and becomes the benchmark.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    process::run(workspace.cargo().args(["build", "--locked", "--release", "--package", "nettop", "--bins"]))?;
    process::run(workspace.cargo().args(["build", "--locked", "--release", "--package", "nettop-bench"]))?;
    let bench = workspace.target.join("release/nettop-bench");
    let error = Command::new(&bench).args(&args.arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", bench.display()))
}
