//! How long it takes from starting nettop until it is attached. That is seen from outside: the kernel is asked again and again which
//! program is on the interface. When each program was handed to the verifier is what the kernel says of it (`load_time`).

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result, bail, ensure};
use nettop_tests::{
    bpf::{self, Links},
    kernel::VERIFIED,
    monitor,
    net::Net,
    program,
};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    cpu,
    rig::{self, IN},
    table::{MarkdownTable, count, median},
};

/// How long it takes until nettop is attached
#[derive(Clone, clap::Args)]
pub struct Args {
    /// Rounds
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// Between questions to the kernel.
const LOOK: Duration = Duration::from_micros(200);

/// A loaded program of nettop.
struct Program {
    name: String,
    /// Bytes, as the kernel has translated it.
    translated: u32,
    /// Bytes of machine code.
    jitted: u32,
    /// Instructions that the verifier looked at.
    verified: u32,
    /// From the start until the verifier got it.
    handed_over: Duration,
}

/// One start.
struct Start {
    /// Since before the fork, as all of these.
    attached: Duration,
    /// CPU time until then.
    used: Duration,
    answered: Duration,
    programs: Vec<Program>,
}

/// Measures and prints.
///
/// # Errors
/// What the kernel refuses; nettop ends, or is never attached.
pub fn run(args: &Args, quick: bool) -> Result<()> {
    let rounds = if quick { 1 } else { args.rounds };
    println!(
        "nettop   release build, `nettop run --quiet --iface {IN}`; its files are in memory: one start before does not count"
    );
    println!("attached is when netlink tells of a program on {IN}; asked every {} µs", LOOK.as_micros());
    let (mut starts, mut versions, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (start, version, loaded) = (start()?, version()?, empty_program()?);
        if round > 0 {
            starts.push(start);
            versions.push(version);
            empty.push(loaded);
        }
    }
    print(&starts, &versions, &empty)
}

/// Starts nettop, and ends it once it answers.
fn start() -> Result<Start> {
    let net = Net::new(1);
    let index = net.receiver.interface_index(IN);
    let directory = TempDir::new().context("making a temporary directory")?;
    let (socket, errors) = (directory.path().join("socket"), directory.path().join("errors"));
    let mut command = net.receiver.command(program::path("nettop"));
    command.args(["run", "--quiet", "--iface", IN, "--control-socket"]).arg(&socket);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&errors).context("making a file")?);
    net.receiver.run(|| {
        let links = Links::open().context("opening a netlink socket")?;
        let (started, at) = (Instant::now(), SystemTime::now());
        let mut child = Killed(program::spawn(&mut command));
        let id = child.wait_for(&errors, || Ok(links.xdp_program(index)?))?;
        let attached = started.elapsed();
        let used = cpu::used_by(child.0.id()).context("its CPU time")?;
        child.wait_for(&errors, || Ok(monitor::ask(&socket, &json!({"cmd": "status"})).ok()))?;
        let answered = started.elapsed();
        let programs = bpf::programs_beside(id).context("asking about the programs")?;
        let programs = programs.iter().map(|program| {
            let handed_over = program.loaded_at().and_then(|loaded| loaded.duration_since(at).ok());
            Ok(Program {
                name: program.name_as_str().unwrap_or_default().into(),
                translated: program.size_translated().unwrap_or_default(),
                jitted: program.size_jitted(),
                verified: program.verified_instruction_count().unwrap_or_default(),
                handed_over: handed_over.context("a program is older than the process that has loaded it")?,
            })
        });
        Ok(Start { attached, used, answered, programs: programs.collect::<Result<_>>()? })
    })
}

/// Ended when dropped.
struct Killed(Child);

impl Killed {
    /// Asks until there is an answer.
    fn wait_for<T>(&mut self, errors: &Path, mut question: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let started = Instant::now();
        loop {
            if let Some(answer) = question()? {
                return Ok(answer);
            }
            if let Some(status) = self.0.try_wait()? {
                bail!("nettop has ended, {status}: {}", fs::read_to_string(errors).unwrap_or_default().trim());
            }
            ensure!(started.elapsed() < program::deadline(), "nettop is never attached, or does not answer");
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How long the program takes for next to nothing.
fn version() -> Result<Duration> {
    let mut command = Command::new(program::path("nettop"));
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let status = program::spawn(&mut command).wait().context("waiting for nettop --version")?;
    ensure!(status.success(), "nettop --version: {status}");
    Ok(started.elapsed())
}

/// How long an empty program takes until it is attached.
fn empty_program() -> Result<Duration> {
    let net = Net::new(1);
    let index = net.receiver.interface_index(IN);
    net.receiver.run(|| {
        let started = Instant::now();
        let _attached = rig::load_and_attach_empty(index)?;
        Ok(started.elapsed())
    })
}

fn print(starts: &[Start], versions: &[Duration], empty: &[Duration]) -> Result<()> {
    let programs = &starts[0].programs;
    ensure!(starts.iter().all(|start| start.programs.len() == programs.len()), "not as many programs each time");
    let mut table = MarkdownTable::new(&["milliseconds", "median", "least", "most"]);
    let mut row = |what: String, times: Vec<Duration>| {
        let ms: Vec<_> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        let (least, most) = (ms.iter().copied().fold(f64::MAX, f64::min), ms.iter().copied().fold(0.0, f64::max));
        table.row([vec![what], [median(&ms), least, most].map(|ms| format!("{ms:.1}")).into()].concat());
    };
    let of = |time: &dyn Fn(&Start) -> Duration| starts.iter().map(time).collect::<Vec<_>>();
    row("**nettop, from its start until it is attached**".into(), of(&|start| start.attached));
    row("of that, until its first program is handed to the kernel".into(), of(&|start| start.programs[0].handed_over));
    for (number, Program { name, .. }) in programs.iter().enumerate() {
        let next = number + 1;
        let until = |start: &Start| start.programs.get(next).map_or(start.attached, |program| program.handed_over);
        let what = if next < programs.len() { "until the next one is" } else { "until it is attached" };
        row(
            format!("from `{name}` {what}"),
            of(&|start| until(start).saturating_sub(start.programs[number].handed_over)),
        );
    }
    row("CPU time of all threads until then".into(), of(&|start| start.used));
    row("from its start until it answers".into(), of(&|start| start.answered));
    row("`nettop --version`, from its start to its end".into(), versions.to_vec());
    row("an empty program, loaded and attached".into(), empty.to_vec());
    table.print();

    let mut table = MarkdownTable::new(&[
        "program",
        "instructions",
        "bytes of machine code",
        "looked at by the verifier",
        "as the tests know it",
    ]);
    for Program { name, translated, jitted, verified, .. } in programs {
        let figure = VERIFIED.iter().find(|(known, _)| known.starts_with(name));
        let known = figure.map_or_else(|| "–".into(), |(_, figure)| count((*figure).into()));
        // Eight bytes each (linux/bpf.h, `struct bpf_insn`).
        table.row([
            format!("`{name}`"),
            count((translated / 8).into()),
            count((*jitted).into()),
            count((*verified).into()),
            known,
        ]);
    }
    table.print();
    println!("\nGoal: 250 ms from its start until it is attached.");
    Ok(())
}
