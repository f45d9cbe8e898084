//! A virtual machine while it runs, and what it tells.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use super::emulator::Emulator;
use crate::process;

/// The tests that run inside, and which of each: those in which kernels may differ. Floods and the like are left to real
/// machines, an emulated CPU being too slow for them.
pub const TESTS: [(&str, &[&str]); 11] = [
    (
        "live",
        &["every_count", "the_filter", "deleted", "jumbo", "loopback", "tunnel", "being_killed", "every_privilege"],
    ),
    // Every verifier has to take the program of which parts can be left out, too.
    ("parts", &["each_part", "who_is_in"]),
    ("hash", &["the_rows", "a_full_map"]),
    ("egress", &["datagrams", "what_an_interface"]),
    ("process_bytes", &["megabytes", "what_was_refused"]),
    ("namespaces", &["connections_of"]),
    ("connections", &["raw_and_packet", "what_is_opened_later"]),
    ("drops", &["they_are_counted"]),
    ("neighbours", &["messages_are_counted_by", "what_the_kernel"]),
    ("blocks", &["what_lies", "who_is_blocked", "a_killed"]),
    ("faults", &["interfaces::", "hook::", "time::a_clock", "time::suspended", "terminal::its_controlling"]),
];
/// The monitor on loopback, until it answers.
pub const RUN: &str = "run";
/// `nettop doctor`.
pub const DOCTOR: &str = "doctor";
/// How long all of it may take, minutes.
const MINUTES: u32 = 20;

/// What a machine told.
#[derive(Debug, Default)]
pub struct Report {
    /// The kernel's release; `None`: it did not start.
    pub release: Option<String>,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// How many tests were skipped.
    pub skipped: usize,
    /// Why the monitor did not start, if it did not.
    pub refusal: String,
    ended: bool,
    passed: u32,
}

/// A step of it.
#[derive(Debug)]
pub struct Step {
    /// `run`, `doctor`, or that of a test.
    pub name: String,
    /// Its exit code.
    pub code: i32,
    /// How long it took.
    pub seconds: f64,
    /// How many tests passed.
    pub passed: u32,
}

impl Report {
    /// Whether it came to its end.
    pub fn complete(&self) -> bool {
        self.ended
    }

    /// Takes note of a line.
    fn note(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        match *words.as_slice() {
            ["@release", release] => self.release = Some(release.into()),
            ["@step", name, code, now, began] => {
                let hundredths = |word: &str| word.parse::<f64>().unwrap_or(f64::NAN);
                let seconds = (hundredths(now) - hundredths(began)) / 100.0;
                let (code, passed) = (code.parse().unwrap_or(-1), std::mem::take(&mut self.passed));
                self.steps.push(Step { name: name.into(), code, seconds, passed });
            }
            ["@skip", ..] => self.skipped += 1,
            ["@end"] => self.ended = true,
            ["nettop:", ..] if self.steps.is_empty() => self.refusal = line.into(),
            // "test result: ok. 17 passed; 0 failed; …"
            ["test", "result:", _, passed, "passed;", ..] => self.passed += passed.parse().unwrap_or(0),
            _ => {}
        }
    }
}

/// Runs a machine to its end, and prints what it tells as it comes.
///
/// # Errors
/// It cannot be started.
pub fn run(emulator: &Emulator, kernel: &Path, image: &Path, console: &Path) -> Result<Report> {
    let mut command = Command::new("timeout");
    let (program, arguments) = emulator.command();
    command.arg(format!("{MINUTES}m")).arg(program).args(arguments);
    // Emulated: virtual machines within virtual machines are not to be relied upon.
    command.args(["-accel", "tcg", "-smp", "2", "-m", "2048", "-nodefaults", "-no-reboot", "-display", "none"]);
    command.arg("-serial").arg(format!("file:{}", console.display())).args(["-serial", "stdio"]);
    command.arg("-kernel").arg(kernel).arg("-initrd").arg(image).args(["-append", "console=ttyS0 panic=-1"]);
    let line = process::line(&command);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot start `{line}`"))?;
    let mut report = Report::default();
    for line in BufReader::new(child.stdout.take().context("its output is a pipe")?).split(b'\n') {
        let line = line.context("reading what the machine tells")?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        println!("    {line}");
        report.note(line);
    }
    child.wait().with_context(|| format!("waiting for `{line}`"))?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_tells_is_understood() {
        let mut report = Report::default();
        for line in [
            "@release 5.10.0-1-amd64",
            "nettop: the verifier refuses",
            "@step run 1 500 425",
            "nettop: not this",
            "test result: ok. 17 passed; 0 failed; 0 ignored",
            "@step live 0 9050 0",
            "@skip SKIPPED one: because",
        ] {
            assert!(!report.complete());
            report.note(line);
        }
        report.note("@end");
        assert!(report.complete());
        assert_eq!(report.release.as_deref(), Some("5.10.0-1-amd64"));
        assert_eq!((report.refusal.as_str(), report.skipped), ("nettop: the verifier refuses", 1));
        let steps: Vec<_> = report.steps.iter().map(|step| (step.name.as_str(), step.code, step.passed)).collect();
        assert_eq!(steps, [("run", 1, 0), ("live", 0, 17)]);
        assert_eq!((report.steps[0].seconds, report.steps[1].seconds), (0.75, 90.5));
    }
}
