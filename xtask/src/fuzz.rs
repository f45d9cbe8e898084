//! `cargo xtask fuzz`: has libFuzzer look for bytes that break what reads hostile ones.
//!
//! Without a sanitizer, which a stable compiler has not: nearly all of what is tried is safe Rust, with its checks on.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{process, workspace::Workspace};

/// How to get cargo-fuzz.
const NO_CARGO_FUZZ: &str = "cargo-fuzz is missing; cargo install cargo-fuzz --locked (it needs a C++ compiler too)";
/// One input may take this long, seconds, and this much memory, MiB: far more than any should.
const LIMITS: [&str; 2] = ["-timeout=60", "-rss_limit_mb=2048"];

/// Fuzz what reads hostile bytes: each target in turn, or one
#[derive(clap::Args)]
pub struct Args {
    /// Which target: a file of fuzz/fuzz_targets [default: all]
    target: Option<String>,
    /// Minutes for each
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
}

/// Runs the targets; the first that finds something ends it.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if process::read(workspace.cargo().args(["fuzz", "--version"])).is_err() {
        bail!("{NO_CARGO_FUZZ}");
    }
    let fuzz = workspace.root.join("fuzz");
    let known = targets(&fuzz)?;
    let chosen = match &args.target {
        None => known,
        Some(target) if known.contains(target) => vec![target.clone()],
        Some(target) => bail!("there is no target {target}; there are {}", known.join(", ")),
    };
    lock(workspace)?;
    let mut summary = Vec::new();
    for target in chosen {
        let line = run_target(workspace, &fuzz, &target, args.minutes)?;
        println!("{line}");
        summary.push(line);
    }
    println!("== summary\n{}", summary.join("\n"));
    Ok(())
}

/// Gives the targets the versions of all packages that are shipped.
fn lock(workspace: &Workspace) -> Result<()> {
    let locked = workspace.root.join("fuzz/Cargo.lock");
    fs::copy(workspace.root.join("Cargo.lock"), &locked)
        .with_context(|| format!("cannot write {}", locked.display()))?;
    Ok(())
}

/// Checks that the targets compile; a compiler alone does that.
pub fn check(workspace: &Workspace) -> Result<()> {
    lock(workspace)?;
    process::run(workspace.cargo().args(["check", "--manifest-path", "fuzz/Cargo.toml"]))
}

/// The names of the targets, from their files.
fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let folder = fuzz.join("fuzz_targets");
    let files = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names: Vec<_> =
        files.filter_map(|file| Some(file.ok()?.path().file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

/// Runs one target, and says how many inputs it took.
fn run_target(workspace: &Workspace, fuzz: &Path, target: &str, minutes: f64) -> Result<String> {
    let output = workspace.target.join("fuzz");
    let (corpus, seeds) = (fuzz.join("corpus").join(target), fuzz.join("seeds").join(target));
    for folder in [&output, &corpus] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let cargo_fuzz = |command| {
        let mut cargo = workspace.cargo();
        cargo.args(["fuzz", command, "--sanitizer=none", "--debug-assertions", "--target-dir"]).arg(&output);
        cargo.arg("--fuzz-dir").arg(fuzz).arg(target);
        cargo
    };
    process::run(&mut cargo_fuzz("build"))?;

    let log = output.join(target).with_extension("log");
    println!("{target}: {minutes} min; libFuzzer tells how it goes in {}", log.display());
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut fuzzing = cargo_fuzz("run");
    fuzzing.args([&corpus, &seeds]).arg("--").args(LIMITS);
    fuzzing.arg(format!("-max_total_time={:.0}", minutes * 60.0)).arg("-print_final_stats=1");
    // Where it is on, each error of `anyhow` has one, and most inputs end in an error.
    fuzzing.env("RUST_LIB_BACKTRACE", "0");
    let start = Instant::now();
    let status = fuzzing.stdin(Stdio::null()).stderr(file).status().context("cannot start cargo fuzz")?;
    let said = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    ensure!(
        status.success(),
        "{target} found something: the end of {} tells what, and which file below {} does it. Mend it, and keep that \
         file in {}, where the tests find it",
        log.display(),
        fuzz.join("artifacts").join(target).display(),
        seeds.display()
    );
    let said = String::from_utf8_lossy(&said);
    let executions = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let executions = executions.context("libFuzzer did not say how many inputs it tried")?.trim();
    Ok(format!("{target:14} {executions:>12} executions in {:.1} min", start.elapsed().as_secs_f64() / 60.0))
}
