//! `cargo xtask ci`: everything a change must pass, step by step.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{bench::BENCHMARKS, detect, ebpf, fuzz, privilege, process, shots, test, web_test, workspace::Workspace};

/// Why a step that needs cargo-deny is skipped.
const NO_CARGO_DENY: &str = "cargo-deny is missing; cargo install cargo-deny --locked";

/// Run all that a change must pass: format, lints, documentation, the eBPF object, tests, detection, dependencies
#[derive(clap::Args)]
pub struct Args {
    /// Leave out the tests, if `cargo xtask test` has just run them
    #[arg(long)]
    without_tests: bool,
}

/// How a step that did not fail ended.
enum Outcome {
    Passed,
    Skipped(String),
}

/// A line of the summary.
struct Line {
    name: &'static str,
    took: Duration,
    says: String,
}

/// One row for each step.
struct Step {
    name: &'static str,
    run: fn(&Workspace, &Args) -> Result<Outcome>,
}

/// In this order: the quick ones first.
const STEPS: &[Step] = &[
    Step { name: "format", run: format },
    Step { name: "clippy", run: clippy },
    Step { name: "clippy of the eBPF program", run: clippy_of_the_ebpf_program },
    Step { name: "fuzz targets", run: fuzz_targets },
    Step { name: "documentation", run: documentation },
    Step { name: "dependencies", run: dependencies },
    Step { name: "advisories", run: advisories },
    Step { name: "eBPF object", run: object },
    Step { name: "pictures", run: pictures },
    Step { name: "tests", run: tests },
    Step { name: "dashboard in a browser", run: dashboard },
    Step { name: "detection", run: detection },
    Step { name: "benchmarks", run: benchmarks },
];

/// Runs the steps; the first that fails ends it.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let mut summary: Vec<Line> = Vec::new();
    let mut failure = None;
    for step in STEPS {
        println!("== {}", step.name);
        let start = Instant::now();
        let outcome = (step.run)(workspace, args);
        let took = start.elapsed();
        let says = match &outcome {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::Skipped(reason)) => format!("SKIPPED: {reason}"),
            Err(_) => "FAILED; the steps after it were not run".to_owned(),
        };
        println!("== {} took {:.1} s: {says}", step.name, took.as_secs_f64());
        summary.push(Line { name: step.name, took, says });
        if let Err(error) = outcome {
            failure = Some(error.context(format!("the step \"{}\" failed", step.name)));
            break;
        }
    }
    println!("== summary");
    for Line { name, took, says } in &summary {
        println!("{name:26} {:6.1} s  {says}", took.as_secs_f64());
    }
    failure.map_or(Ok(()), Err)
}

fn format(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    passes(workspace.cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    passes(workspace.cargo().args(["clippy", "--locked", "--all-targets", "--", "-D", "warnings"]))
}

/// Apart from the others, or cargo would unite its features with theirs. Compiled for the host, since a compiler for BPF
/// seldom comes with clippy; rustc's own warnings for the BPF target come up in the step of the eBPF object.
fn clippy_of_the_ebpf_program(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    let mut cargo = workspace.cargo();
    cargo.args(["clippy", "--locked", "--package", "nettop-ebpf", "--profile", "ebpf"]);
    cargo.arg("--target-dir").arg(workspace.target.join("ebpf")).args(["--", "-D", "warnings"]);
    // It uses features that a stable compiler allows nobody else.
    passes(cargo.env("RUSTC_BOOTSTRAP", "1"))
}

/// That they compile. What they found is among the tests; to look for more takes `cargo xtask fuzz`, and time.
fn fuzz_targets(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    fuzz::check(workspace)?;
    Ok(Outcome::Passed)
}

fn documentation(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    passes(workspace.cargo().args(["doc", "--locked", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

fn object(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    ebpf::run(workspace, &ebpf::Args { check: true })?;
    Ok(Outcome::Passed)
}

/// That those in the README show what the screen looks like.
fn pictures(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    shots::run(workspace, &shots::Args { check: true })?;
    Ok(Outcome::Passed)
}

fn tests(workspace: &Workspace, args: &Args) -> Result<Outcome> {
    if args.without_tests {
        return Ok(Outcome::Skipped("--without-tests says that `cargo xtask test` has just run".to_owned()));
    }
    test::run(workspace, &test::Args::default())?;
    Ok(Outcome::Passed)
}

fn dashboard(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    match web_test::Tools::find() {
        Ok(tools) => web_test::run_with(workspace, &tools, &web_test::Args::default()).map(|()| Outcome::Passed),
        Err(why) => Ok(Outcome::Skipped(why)),
    }
}

/// Every scenario, both as a capture of both directions and as what comes in; only what is not as expected is printed.
fn detection(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    process::run(detect::command(workspace)?.arg("--wrong"))?;
    Ok(Outcome::Passed)
}

/// Each of them once, unoptimised and very short: that they work. What they print means nothing.
fn benchmarks(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    if !privilege::is_root()? {
        return Ok(Outcome::Skipped("not root; the benchmarks make network namespaces and load programs".to_owned()));
    }
    process::run(workspace.cargo().args(["build", "--locked", "--package", "nettop", "--bins"]))?;
    for call in BENCHMARKS {
        let mut cargo = workspace.cargo();
        cargo.args(["run", "--locked", "--quiet", "--package", "nettop-bench", "--", "--quick"]);
        cargo.args(call.split_whitespace());
        process::run(&mut cargo)?;
    }
    Ok(Outcome::Passed)
}

fn dependencies(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    if !has_cargo_deny(workspace) {
        return Ok(Outcome::Skipped(NO_CARGO_DENY.to_owned()));
    }
    passes(workspace.cargo().args(["deny", "check", "licenses", "bans", "sources"]))
}

/// Known holes in the packages we use. The list of them has to be fetched, which not every machine can do.
fn advisories(workspace: &Workspace, _: &Args) -> Result<Outcome> {
    if !has_cargo_deny(workspace) {
        return Ok(Outcome::Skipped(NO_CARGO_DENY.to_owned()));
    }
    if let Err(error) = process::read(workspace.cargo().args(["deny", "fetch", "db"])) {
        let reason = format!("{error:#}");
        let last = reason.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no reason given");
        return Ok(Outcome::Skipped(format!("the list of advisories cannot be fetched: {last}")));
    }
    passes(workspace.cargo().args(["deny", "check", "--disable-fetch", "advisories"]))
}

fn has_cargo_deny(workspace: &Workspace) -> bool {
    process::read(workspace.cargo().args(["deny", "--version"])).is_ok()
}

fn passes(command: &mut Command) -> Result<Outcome> {
    process::run(command)?;
    Ok(Outcome::Passed)
}
