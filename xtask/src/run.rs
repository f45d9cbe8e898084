//! `cargo xtask run`: a release build, started with the least privilege that is enough.

use std::{os::unix::process::CommandExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{privilege, process, workspace::Workspace};

/// What nettop needs to load its program and attach it (without PERFMON the verifier refuses pointer arithmetic).
const CAPABILITIES: [&str; 3] = ["cap_bpf", "cap_net_admin", "cap_perfmon"];

/// First arguments of nettop that load nothing into the kernel.
const HARMLESS: [&str; 16] = [
    "demo",
    "replay",
    "attach",
    "ctl",
    "maps",
    "config",
    "doctor",
    "features",
    "update-db",
    "completions",
    "man",
    "help",
    "--help",
    "-h",
    "--version",
    "-V",
];

/// Build nettop for release and start it on the default interface, with the least privilege it can get
#[derive(clap::Args)]
pub struct Args {
    /// Arguments for nettop, such as `-- demo` or `-- --iface eth0`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// Builds nettop and becomes it.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    process::run(workspace.cargo().args(["build", "--release", "--package", "nettop", "--bins"]))?;
    let nettop = workspace.target.join("release/nettop");

    let harmless = args.arguments.first().is_some_and(|first| HARMLESS.contains(&first.as_str()));
    if !harmless && !privilege::is_root()? && !privilege::has_capabilities(&nettop, &CAPABILITIES) {
        grant(&nettop)?;
    }
    let error = Command::new(&nettop).args(&args.arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", nettop.display()))
}

/// Gives the program file its capabilities through sudo.
fn grant(nettop: &Path) -> Result<()> {
    let Some(setcap) = privilege::setcap() else {
        bail!(
            "nettop needs {}, and setcap, which grants them, is missing; on Debian: sudo apt-get install libcap2-bin",
            CAPABILITIES.join(", ")
        );
    };
    let capabilities = format!("{}=ep", CAPABILITIES.join(","));
    let by_hand = format!("{} {capabilities} {}", setcap.display(), nettop.display());
    if process::find("sudo", &[]).is_none() {
        bail!("nettop needs {}, and sudo is missing; as root, run: {by_hand}", CAPABILITIES.join(", "));
    }
    eprintln!(
        "nettop loads a program into the kernel; for that its file gets three capabilities, not root:\n    sudo {by_hand}"
    );
    process::run(Command::new("sudo").arg(&setcap).arg(&capabilities).arg(nettop))
        .context("without these capabilities nettop cannot watch an interface (`cargo xtask run demo` needs none)")
}
