//! `nettop doctor`: what this machine allows, and what to do about what it does not. A row of the table for each check;
//! one file for each group of them.
//!
//! A check looks, and changes nothing. What it cannot find out it says, rather than to guess.

mod blocks;
mod control;
mod dashboard;
mod kernel;
mod logs;
mod network;
mod places;
mod program;
mod rights;
mod sandbox;
mod state;
mod terminal;

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde::Serialize;

use nettop_model::{json, visible::visible};
use nettop_process::cause;

use crate::cli::DoctorArgs;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    /// As it should be: this.
    Good(String),
    /// Not as it should be.
    Missing { what: String, remedy: String },
    /// It cannot be found out, for this reason.
    Unknown(String),
}

impl Finding {
    fn good(text: impl Into<String>) -> Self {
        Self::Good(text.into())
    }

    fn missing(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Missing { what: what.into(), remedy: remedy.into() }
    }

    /// Of an error, which names its remedy behind the last semicolon, or of one that names none.
    fn failed(error: &anyhow::Error, otherwise: &str) -> Self {
        let text = cause::told(error);
        match text.rsplit_once("; ") {
            Some((what, remedy)) => Self::missing(what, remedy),
            None => Self::missing(text, otherwise),
        }
    }
}

/// One check.
pub struct Check {
    group: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// What it looks at, and why.
    pub about: &'static str,
    /// Whether the live monitor does not start without it.
    needed: bool,
    look: fn() -> Finding,
}

impl Check {
    const fn new(
        group: &'static str,
        name: &'static str,
        about: &'static str,
        needed: bool,
        look: fn() -> Finding,
    ) -> Self {
        Self { group, name, about, needed, look }
    }
}

const NEEDED: bool = true;
const USEFUL: bool = false;

/// Every check, in the order in which they are printed.
pub const CHECKS: &[Check] = &[
    Check::new("kernel", "version", "the first Linux with all that the program uses", NEEDED, kernel::version),
    Check::new(
        "kernel",
        "BTF",
        "types of the kernel, by which what processes move and what it drops are found",
        USEFUL,
        kernel::btf,
    ),
    Check::new("kernel", "JIT", "without it the program is interpreted, packet by packet", USEFUL, kernel::jit),
    Check::new("kernel", "unprivileged BPF", "who may load programs without CAP_BPF", USEFUL, kernel::unprivileged),
    Check::new("kernel", "lockdown", "what even root may not do", USEFUL, kernel::lockdown),
    Check::new("kernel", "statistics", "how long the program takes per packet", USEFUL, kernel::statistics),
    Check::new("rights", "capabilities", "what loading and attaching ask for", NEEDED, rights::capabilities),
    Check::new("rights", "user", "as whom the monitor goes on, once it has started", NEEDED, rights::user),
    Check::new("rights", "file system", "nosuid takes the capabilities of files away", USEFUL, rights::file_system),
    Check::new("rights", "no_new_privs", "a sandbox in which files have no capabilities", USEFUL, rights::no_new_privs),
    Check::new("rights", "memlock", "how much memory may be locked", USEFUL, rights::memlock),
    Check::new("sandbox", "Landlock", "files, connections and signals of a running monitor", USEFUL, sandbox::landlock),
    Check::new("sandbox", "seccomp", "system calls of a running monitor", USEFUL, sandbox::seccomp),
    Check::new(
        "program",
        "configuration",
        "files and variables that say how it starts",
        NEEDED,
        program::configuration,
    ),
    Check::new("program", "state", "where it keeps what the next start is to find", NEEDED, state::folder),
    Check::new("program", "CPUs", "each has its own counters", USEFUL, program::cpus),
    Check::new("program", "memory", "what the kernel's maps take", USEFUL, program::memory),
    Check::new(
        "program",
        "load",
        "whether the verifier accepts the program: loaded, and let go",
        NEEDED,
        program::load,
    ),
    Check::new(
        "program",
        "tracepoints",
        "whether it accepts those that tell processes, connections that end and --drops",
        USEFUL,
        program::tracepoints,
    ),
    Check::new("network", "interface", "what is watched by default", NEEDED, network::interface),
    Check::new("network", "driver", "decides between native and generic XDP", USEFUL, network::driver),
    Check::new("network", "other XDP", "an interface has room for one XDP program", NEEDED, network::other_programs),
    Check::new("network", "interfaces", "how XDP would run on each", USEFUL, network::interfaces),
    Check::new("network", "flows", "what connection tracking tells of forwarded flows", USEFUL, network::flows),
    Check::new(
        "blocks",
        "XDP blocks",
        "whether the program can drop, and what a block does unless somebody says otherwise",
        USEFUL,
        blocks::xdp,
    ),
    Check::new(
        "blocks",
        "firewalls",
        "which of them this host uses, and which could be run",
        USEFUL,
        blocks::firewalls,
    ),
    Check::new("blocks", "actor", "processes that run firewalls and hooks: started, and let go", USEFUL, blocks::actor),
    Check::new("blocks", "kept blocks", "whether what was blocked will be blocked again", USEFUL, blocks::kept),
    Check::new("logs", "journal", "what --journal reads of logins at sshd", USEFUL, logs::journal),
    Check::new("control", "socket", "where nettopctl finds the monitor", NEEDED, control::socket),
    Check::new("control", "dashboard", "where the dashboard in a browser would listen", USEFUL, dashboard::address),
    Check::new("places", "databases", "where addresses are looked up, and of when that is", USEFUL, places::databases),
    Check::new("terminal", "size", "what the screen has room for", USEFUL, terminal::size),
    Check::new("terminal", "colours", "TERM and NO_COLOR", USEFUL, terminal::colours),
    Check::new("terminal", "locale", "whether lines and bars can be shown", USEFUL, terminal::locale),
];

/// A check and what it found, as JSON has it.
#[derive(Serialize)]
struct Row {
    group: &'static str,
    name: &'static str,
    about: &'static str,
    needed: bool,
    /// `ok`, `missing` or `unknown`.
    state: &'static str,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Row {
    fn of(check: &Check) -> Self {
        let (state, found, remedy) = match (check.look)() {
            Finding::Good(found) => ("ok", found, None),
            Finding::Missing { what, remedy } => ("missing", what, Some(remedy)),
            Finding::Unknown(why) => ("unknown", why, None),
        };
        let Check { group, name, about, needed, .. } = *check;
        Self { group, name, about, needed, state, found, remedy }
    }

    fn prevents(&self) -> bool {
        self.needed && self.state == "missing"
    }
}

/// Looks at everything. Returns what to print, and whether the live monitor would start with its default options.
///
/// # Errors
/// When the answer cannot be written as JSON.
pub fn run(args: DoctorArgs) -> Result<(String, bool)> {
    let rows: Vec<_> = CHECKS.iter().map(Row::of).collect();
    let starts = !rows.iter().any(Row::prevents);
    let text = if args.json { as_json(&rows, starts)? } else { text(&rows) };
    Ok((text, starts))
}

fn as_json(rows: &[Row], starts: bool) -> Result<String> {
    #[derive(Serialize)]
    struct Whole<'a> {
        ok: bool,
        checks: &'a [Row],
    }
    let mut text = Vec::new();
    json::pretty(&Whole { ok: starts, checks: rows }, &mut text).context("writing JSON")?;
    String::from_utf8(text).context("writing JSON")
}

fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut group = "";
    for row in rows {
        if row.group != group {
            group = row.group;
            let _ = writeln!(text, "{group}");
        }
        let sign = match row.state {
            "ok" => "OK",
            "missing" => "--",
            _ => "??",
        };
        // What others call their programs and interfaces is theirs to choose.
        let _ = write!(text, "{sign}  {}: {}", row.name, visible(&row.found));
        let _ = match &row.remedy {
            Some(remedy) => writeln!(text, "; {}", visible(remedy)),
            None => writeln!(text),
        };
    }
    let prevents: Vec<_> = rows.iter().filter(|row| row.prevents()).map(|row| row.name).collect();
    let _ = match prevents[..] {
        [] => writeln!(text, "the live monitor starts here"),
        _ => writeln!(
            text,
            "the live monitor does not start here: {}; `nettop demo` needs none of this",
            prevents.join(", ")
        ),
    };
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn row(needed: bool, finding: fn() -> Finding) -> Row {
        Row::of(&Check::new("group", "name", "about", needed, finding))
    }

    #[test]
    fn only_what_is_needed_and_known_to_be_missing_prevents() {
        for (needed, finding, prevents, line) in [
            (NEEDED, (|| Finding::good("fine")) as fn() -> Finding, false, "OK  name: fine\n"),
            (NEEDED, || Finding::missing("gone", "get it"), true, "--  name: gone; get it\n"),
            (USEFUL, || Finding::missing("gone", "get it"), false, "--  name: gone; get it\n"),
            (NEEDED, || Finding::Unknown("who\nknows".into()), false, "??  name: who\\nknows\n"),
        ] {
            let row = row(needed, finding);
            assert_eq!(row.prevents(), prevents, "{line}");
            assert!(text(&[row]).starts_with(&format!("group\n{line}the live monitor ")), "{line}");
        }
    }

    #[test]
    fn checks_have_names_of_their_own_and_stand_in_groups() {
        let names: BTreeSet<_> = CHECKS.iter().map(|check| check.name).collect();
        assert_eq!(names.len(), CHECKS.len());
        let mut groups: Vec<_> = CHECKS.iter().map(|check| check.group).collect();
        groups.dedup();
        assert_eq!(groups.len(), groups.iter().collect::<BTreeSet<_>>().len(), "a group stands twice");
    }
}
