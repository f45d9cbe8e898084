//! Network namespaces of the tests' own, joined by veth pairs on which no frame passes that a test did not send.
//!
//! They have no name in `/run/netns`: each lives as long as its descriptor, so that nothing stays behind even when a test
//! is killed, and tests in parallel cannot meet.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::{fs::MetadataExt as _, process::CommandExt as _},
    },
    process::{self, Command},
    thread,
};

use serde_json::Value;

/// A network namespace.
#[derive(Debug)]
pub struct Namespace {
    file: File,
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Namespace {
    /// A new one, without IPv6 autoconfiguration, whose frames would spoil exact sums.
    pub fn new() -> Self {
        let make = || -> io::Result<File> {
            // SAFETY: plain integers; this thread alone changes its namespace, and ends.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                return Err(io::Error::last_os_error());
            }
            fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")?;
            File::open("/proc/thread-self/ns/net")
        };
        let file = thread::spawn(make).join().expect("no panic").expect("making a network namespace");
        Self { file }
    }

    /// Runs `work` in a thread of this namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let fd = self.file.as_raw_fd();
        let thread = move || {
            enter(fd).expect("entering a network namespace");
            work()
        };
        thread::scope(|scope| scope.spawn(thread).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// A command that runs in this namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let fd = self.file.as_raw_fd();
        // Tests run by sudo want root, unless they say otherwise.
        command.env_remove("SUDO_UID").env_remove("SUDO_GID").env_remove("SUDO_USER");
        // SAFETY: between fork and exec, setns is one system call and allocates nothing.
        unsafe { command.pre_exec(move || enter(fd)) };
        command
    }

    /// Runs `ip` with these arguments, separated by spaces, and returns what it prints.
    pub fn ip(&self, arguments: &str) -> String {
        let output = self.command("ip").args(arguments.split_whitespace()).output().expect("starting ip");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments}: {errors}");
        String::from_utf8(output.stdout).expect("ip prints UTF-8")
    }

    /// What `ip` says about an interface.
    pub fn interface(&self, name: &str) -> Value {
        let text = self.ip(&format!("-json -stats -details link show dev {name}"));
        let list: Value = serde_json::from_str(&text).expect("ip prints JSON");
        list[0].clone()
    }

    /// The index of an interface.
    pub fn interface_index(&self, name: &str) -> u32 {
        self.interface(name)["ifindex"].as_u64().expect("an index") as u32
    }

    /// Moves an interface to another namespace, where it is down.
    pub fn move_to(&self, name: &str, other: &Self) {
        self.ip(&format!("link set dev {name} netns {}", other.path()));
    }

    /// Its inode, by which the kernel's tools know it.
    pub fn inode(&self) -> u64 {
        self.file.metadata().expect("what is known of a network namespace").ino()
    }

    /// How many frames an interface has received.
    pub fn received(&self, name: &str) -> u64 {
        self.interface(name)["stats64"]["rx"]["packets"].as_u64().expect("a count")
    }

    /// The id of the XDP program attached to an interface.
    pub fn xdp_program(&self, name: &str) -> Option<u32> {
        self.interface(name)["xdp"]["prog"]["id"].as_u64().map(|id| id as u32)
    }

    /// Where other processes find it.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.file.as_raw_fd())
    }
}

fn enter(namespace: RawFd) -> io::Result<()> {
    // SAFETY: plain integers.
    match unsafe { libc::setns(namespace, libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Two namespaces joined by veth pairs: `out0` to `in0`, `out1` to `in1`, …
#[derive(Debug)]
pub struct Net {
    /// Has the ends `out0`, `out1`, …
    pub sender: Namespace,
    /// Has the ends `in0`, `in1`, …
    pub receiver: Namespace,
}

impl Net {
    /// With so many pairs, all of them up.
    pub fn new(pairs: usize) -> Self {
        let net = Self { sender: Namespace::new(), receiver: Namespace::new() };
        (0..pairs).for_each(|pair| net.add_pair(pair));
        net
    }

    /// Adds a pair, and brings it up.
    pub fn add_pair(&self, pair: usize) {
        let receiver = self.receiver.path();
        self.sender.ip(&format!("link add out{pair} type veth peer name in{pair} netns {receiver}"));
        self.sender.ip(&format!("link set dev out{pair} address 02:00:00:00:01:0{pair} arp off up"));
        self.receiver.ip(&format!("link set dev in{pair} address 02:00:00:00:02:0{pair} arp off up"));
    }

    /// Removes a pair.
    pub fn remove_pair(&self, pair: usize) {
        self.sender.ip(&format!("link del dev out{pair}"));
    }

    /// Sets the largest packet of both ends of a pair.
    pub fn set_mtu(&self, pair: usize, mtu: u32) {
        self.sender.ip(&format!("link set dev out{pair} mtu {mtu}"));
        self.receiver.ip(&format!("link set dev in{pair} mtu {mtu}"));
    }
}
