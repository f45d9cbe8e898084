//! `cargo xtask …`: the one door for every developer command.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{bench, ci, data, detect, dist, ebpf, fuzz, run, shots, test, vm, web_test, workspace::Workspace};

/// The developer commands of nettop
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One row for each command; its help line is the first line of its arguments' doc comment.
#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Test(test::Args),
    Ci(ci::Args),
    Bench(bench::Args),
    Detect(detect::Args),
    Ebpf(ebpf::Args),
    Data(data::Args),
    Dist(dist::Args),
    Fuzz(fuzz::Args),
    Shots(shots::Args),
    Vm(vm::Args),
    WebTest(web_test::Args),
}

fn main() -> ExitCode {
    if let Some(code) = ebpf::wrapper::intercept() {
        return code;
    }
    match dispatch(&Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &Command) -> Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Run(args) => run::run(&workspace, args),
        Command::Test(args) => test::run(&workspace, args),
        Command::Ci(args) => ci::run(&workspace, args),
        Command::Bench(args) => bench::run(&workspace, args),
        Command::Detect(args) => detect::run(&workspace, args),
        Command::Ebpf(args) => ebpf::run(&workspace, args),
        Command::Data(args) => data::run(&workspace, args),
        Command::Dist(args) => dist::run(&workspace, args),
        Command::Fuzz(args) => fuzz::run(&workspace, args),
        Command::Shots(args) => shots::run(&workspace, args),
        Command::Vm(args) => vm::run(&workspace, args),
        Command::WebTest(args) => web_test::run(&workspace, args),
    }
}
