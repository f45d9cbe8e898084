//! A real sshd with its log in a file, as syslog writes it.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    net::{Namespace, Net},
    program::{run, wait_for},
};

/// A running sshd. Ends when dropped.
#[derive(Debug)]
pub struct Sshd {
    child: Child,
    log: PathBuf,
    at: Ipv4Addr,
}

impl Sshd {
    /// Starts one in the receiver's namespace at port 22 of an address, with its key and its log in `folder`; `None`: this machine has no
    /// `sshd`, or no `ssh`.
    pub fn start(net: &Net, folder: &Path, at: Ipv4Addr) -> Option<Self> {
        let (key, log) = (folder.join("key"), folder.join("auth.log"));
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).stdout(Stdio::null());
        let has_client = Command::new("ssh").arg("-V").stderr(Stdio::null()).status().is_ok();
        if !has_client || !Path::new("/usr/sbin/sshd").exists() || !keygen.status().is_ok_and(|status| status.success())
        {
            return None;
        }
        fs::write(&log, "").expect("a log");
        // Its folder of privilege separation is made where nobody else sees it.
        let script = format!(
            "mount -t tmpfs none /run && mkdir -m 0755 /run/sshd && /usr/sbin/sshd -D -e -f /dev/null -h {} -o PidFile=none \
             -o ListenAddress={at} -o UsePAM=no -o LogLevel=VERBOSE -o MaxAuthTries=1 2>&1 | \
             while read -r line; do echo \"$(date '+%b %e %H:%M:%S') host sshd: $line\" >> {}; done",
            key.display(),
            log.display()
        );
        let mut command = net.receiver.command("setsid");
        command.args(["unshare", "--mount", "sh", "-c", &script]);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { child: command.spawn().expect("starting sshd"), log, at };
        let listens = || fs::read_to_string(server.log()).is_ok_and(|text| text.contains("listening")).then_some(());
        wait_for(listens).expect("sshd listens");
        Some(server)
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Tries to log in from a namespace, which is refused.
    pub fn refuses(&self, from: &Namespace, user: &str) {
        // Once it is blocked, nobody answers.
        let mut ssh = from.command("timeout");
        ssh.args(["5", "ssh"]);
        for option in ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=3"]
        {
            ssh.args(["-o", option]);
        }
        let ended = run(ssh.args(["-F", "/dev/null", "-l", user, &self.at.to_string()]));
        assert!(!ended.status.success(), "{ended:?}");
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // SAFETY: plain integers; the group is that of the server, which has not been waited for.
        unsafe { libc::kill(-(self.child.id() as i32), libc::SIGKILL) };
        // It has ended by then.
        let _ = self.child.wait();
    }
}
