//! Other programs that watch an interface, to be measured side by side.

use std::{
    env, fs,
    io::{self, Read as _, Seek as _},
    os::unix::process::CommandExt as _,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nettop_tests::net::Namespace;

/// Taken unless others are named: the program, and how it is called.
const USUAL: &[(&str, &str)] =
    &[("tcpdump", "tcpdump -n -i {iface} -w /dev/null"), ("iftop", "iftop -t -n -N -P -i {iface}")];
/// How long a program has to get ready.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long it has to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The usual ones that are installed.
pub fn installed() -> Vec<String> {
    let installed = |program: &str| {
        let path = env::var_os("PATH").unwrap_or_default();
        let administration = ["/usr/sbin", "/sbin"].map(Into::into);
        env::split_paths(&path).chain(administration).any(|directory| directory.join(program).is_file())
    };
    USUAL.iter().filter(|(program, _)| installed(program)).map(|(_, call)| (*call).to_owned()).collect()
}

/// A running one. Killed when dropped.
pub struct Peer {
    child: Child,
    output: fs::File,
}

impl Peer {
    /// Starts it in a namespace, through the shell, with the interface's name in the place of `{iface}`.
    ///
    /// # Errors
    /// It cannot be started, or ends at once.
    pub fn start(namespace: &Namespace, call: &str, interface: &str) -> Result<Self> {
        let output = tempfile::tempfile().context("making a file for the output")?;
        let copy = || output.try_clone().map(Stdio::from);
        let mut command = namespace.command("sh");
        command.args(["-c", &format!("exec {}", call.replace("{iface}", interface))]);
        // A group of its own: what the shell starts ends with it.
        command.process_group(0).stdin(Stdio::null()).stdout(copy()?).stderr(copy()?);
        let child = command.spawn().with_context(|| format!("starting {call}"))?;
        let mut peer = Self { child, output };
        thread::sleep(WARM_UP);
        if let Some(status) = peer.child.try_wait()? {
            bail!("{call} has ended, {status}: {}", peer.said()?.trim());
        }
        Ok(peer)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Interrupts it, as the key Ctrl-C would; returns the lines in which it counts packets.
    ///
    /// # Errors
    /// What it printed cannot be read.
    pub fn stop(mut self) -> Result<String> {
        self.signal(libc::SIGINT);
        let started = Instant::now();
        while self.child.try_wait()?.is_none() && started.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        let said = self.said()?;
        let counts = |line: &&str| line.contains("packet") && line.chars().any(|c| c.is_ascii_digit());
        let lines: Vec<_> = said.lines().map(str::trim).filter(counts).collect();
        Ok(lines.join("; "))
    }

    fn said(&mut self) -> io::Result<String> {
        let mut text = Vec::new();
        self.output.rewind()?;
        self.output.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn signal(&self, signal: i32) {
        // SAFETY: plain integers; the group is the child's own.
        unsafe { libc::kill(-(self.child.id() as i32), signal) };
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(libc::SIGKILL);
            // It has been killed.
            let _ = self.child.wait();
        }
    }
}
