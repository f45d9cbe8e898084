//! `cargo xtask vm`: the release build of nettop on other kernels, those of Debian's releases, each in a virtual machine of its
//! own, where the tests run too.

mod apt;
mod emulator;
mod guest;
mod image;
mod kernels;

use std::{fs, process::Command};

use anyhow::{Context as _, Result, bail};

use self::{
    emulator::Emulator,
    guest::Report,
    kernels::{KERNELS, Kernel},
};
use crate::{process, workspace::Workspace};

/// What has to be installed, and what for.
const PROGRAMS: [(&str, &str); 7] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("ip", "iproute2"),
    ("strip", "binutils"),
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
];

/// Run nettop and its tests in virtual machines, on the kernels of Debian's releases
#[derive(clap::Args)]
pub struct Args {
    /// Whose kernels [default: bookworm]
    #[arg(value_name = "RELEASE", value_parser = kernels::by_name)]
    releases: Vec<&'static Kernel>,
    /// All of them: bullseye, bookworm, trixie, sid
    #[arg(long, conflicts_with = "releases")]
    all: bool,
}

/// Builds, fetches what is missing, and runs one machine after the other.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if let Some(reason) = hindrance() {
        println!("SKIPPED: {reason}");
        return Ok(());
    }
    let wanted = match (args.all, args.releases.as_slice()) {
        (true, _) => KERNELS.iter().collect(),
        (false, []) => vec![kernels::DEFAULT],
        (false, releases) => releases.to_vec(),
    };
    let folder = workspace.target.join("vm");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let emulator = Emulator::find(&folder.join("qemu"))?;
    let programs = image::build(workspace)?;

    let mut summary = Vec::new();
    let mut failed = false;
    for kernel in wanted {
        let name = kernel.release;
        println!("== {name}");
        let fetched = match kernels::fetch(&folder.join(name), name) {
            Ok(fetched) => fetched,
            Err(error) => {
                summary.push(format!("{name:10} SKIPPED: its kernel cannot be had: {error:#}"));
                continue;
            }
        };
        let image = image::pack(workspace, &folder.join(name), &programs, &fetched)?;
        let report = guest::run(&emulator, &fetched.kernel, &image, &folder.join(name).join("console.log"))?;
        let (passed, says) = verdict(kernel, &report);
        failed |= !passed;
        summary.push(format!("{name:10} {says}"));
    }
    println!("== summary");
    summary.iter().for_each(|line| println!("{line}"));
    if failed {
        bail!("not every kernel did as expected; the consoles are in {}", folder.display());
    }
    Ok(())
}

/// Whether this kernel did what is expected of it, in words.
fn verdict(kernel: &Kernel, report: &Report) -> (bool, String) {
    let Report { release, steps, skipped, refusal, .. } = report;
    let Some(release) = release else { return (false, "FAILED: it did not start".into()) };
    let failed: Vec<_> = steps.iter().filter(|step| step.code != 0).map(|step| step.name.as_str()).collect();
    let count = steps.iter().map(|step| step.passed).sum::<u32>();
    let seconds = steps.iter().map(|step| step.seconds).sum::<f64>();
    if !kernel.works {
        // Everything else is skipped there, and says so.
        let told = refusal.contains(kernels::NEEDED) && failed == [guest::RUN, guest::DOCTOR];
        let says = if told { "too old, and says so" } else { "FAILED: too old, and does not say so" };
        return (told, format!("Linux {release}: {says}: {refusal}"));
    }
    if !report.complete() {
        return (false, format!("Linux {release}: FAILED: it ended before its last step"));
    }
    match failed.as_slice() {
        [] => (true, format!("Linux {release}: {count} tests passed, {skipped} skipped, {seconds:.0} s")),
        failed => (false, format!("Linux {release}: FAILED: {}", failed.join(", "))),
    }
}

/// Why there can be no virtual machines here.
fn hindrance() -> Option<String> {
    if std::env::consts::ARCH != "x86_64" {
        return Some(format!("the virtual machines are x86-64, this machine is {}", std::env::consts::ARCH));
    }
    let is_missing = |program: &str| process::find(program, &crate::privilege::ADMINISTRATION).is_none();
    let missing: Vec<_> =
        PROGRAMS.into_iter().filter(|(program, _)| is_missing(program)).map(|(_, package)| package).collect();
    if !missing.is_empty() {
        return Some(format!("programs are missing; on Debian: apt-get install {}", missing.join(" ")));
    }
    // One that needs libraries does not start where there are none.
    let is_static = process::read(Command::new("busybox").arg("--list")).is_ok_and(|list| list.contains("insmod"));
    (!is_static).then(|| "this busybox has no insmod; on Debian: apt-get install busybox-static".into())
}
