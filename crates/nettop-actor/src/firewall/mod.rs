//! Firewalls of the host that can block, as commands: to be shown, or to be run by an actor. A new one is a file and a row of [`FIREWALLS`].

mod firewalld;
mod iptables;
mod nft;
mod ufw;

use std::{
    collections::BTreeSet,
    fmt, fs,
    net::{IpAddr, Ipv6Addr},
};

use nettop_model::{net::Net, snapshot::With};
use nettop_process::shell;

use crate::{job::Element, runner};

/// One of them.
pub struct Firewall {
    /// Which.
    pub with: With,
    /// What makes a block of so many seconds, or renews it; each step only after the one before did well.
    pub block: fn(&Net, u64) -> Vec<Step>,
    /// What ends it.
    pub unblock: fn(&Net) -> Vec<Step>,
    /// How to have told what it blocks in tables of our own, and how to read that.
    pub list: Option<List>,
    /// Whether a block ends by itself when its time is over, whoever is alive then.
    pub ends_by_itself: bool,
    /// Whether only root can use it; else CAP_NET_ADMIN is enough.
    pub needs_root: bool,
    /// Whether this host uses it, as far as can be told without running anything.
    is_in_use: fn() -> bool,
}

/// How to have told what is blocked.
pub struct List {
    /// What is run.
    pub command: fn() -> Command,
    /// Reads what it prints; what is not ours is left out.
    pub read: fn(&str) -> Result<Vec<Element>, String>,
}

/// One of the commands that make or end a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has to do well.
    Run(Command),
    /// The second is run only where the first fails.
    Unless(Command, Command),
}

/// A program of the system and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub program: &'static str,
    /// Each as the program gets it.
    pub arguments: Vec<String>,
}

impl Command {
    fn new(program: &'static str, arguments: &str) -> Self {
        Self { program, arguments: arguments.split_whitespace().map(String::from).collect() }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", shell::word(argument)))
    }
}

impl Step {
    fn programs(self) -> Vec<&'static str> {
        match self {
            Self::Run(command) => vec![command.program],
            Self::Unless(check, command) => vec![check.program, command.program],
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(command) => command.fmt(f),
            Self::Unless(check, command) => write!(f, "{check} || {command}"),
        }
    }
}

/// All of them.
pub const FIREWALLS: &[Firewall] = &[nft::FIREWALL, ufw::FIREWALL, firewalld::FIREWALL, iptables::FIREWALL];

/// The one of that name; `None`: it is none.
pub fn of(with: With) -> Option<&'static Firewall> {
    FIREWALLS.iter().find(|firewall| firewall.with == with)
}

/// Those that this host uses. What tells that cannot be read in the sandbox.
pub fn in_use() -> Vec<With> {
    FIREWALLS.iter().filter(|firewall| (firewall.is_in_use)()).map(|firewall| firewall.with).collect()
}

/// What keeps it from being run by a monitor that is started by this process; none: nothing does.
pub fn hindrances(with: With) -> Vec<String> {
    let Some(firewall) = of(with) else { return Vec::new() };
    let nets = [IpAddr::from([192, 0, 2, 1]), Ipv6Addr::LOCALHOST.into()].map(Net::from);
    let steps = nets.iter().flat_map(|net| (firewall.block)(net, 60));
    let programs: BTreeSet<_> = steps.flat_map(Step::programs).collect();
    let mut found: Vec<_> = programs.into_iter().filter_map(|program| runner::tool(program).err()).collect();
    if firewall.needs_root && !rustix::process::geteuid().is_root() {
        found.push(format!("{} does its work for root alone; start nettop with sudo", with.label()));
    }
    found
}

/// Steps as one line for a shell.
pub fn line(steps: &[Step]) -> String {
    steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(" && ")
}

fn is_v4(net: &Net) -> bool {
    net.first().is_ipv4()
}

/// Whether a file has a line like that.
fn has_line(path: &str, is_wanted: impl Fn(&str) -> bool) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| is_wanted(line.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_words_and_a_shell_takes_them_for_the_same() {
        for (with, net, block, unblock) in [
            (
                With::Ufw,
                "192.0.2.1",
                "ufw prepend deny from 192.0.2.1 comment nettop",
                "ufw delete deny from 192.0.2.1",
            ),
            (
                With::Firewalld,
                "2001:db8::/48",
                "firewall-cmd '--remove-rich-rule=rule family=\"ipv6\" source address=\"2001:db8::/48\" drop' && \
                 firewall-cmd '--add-rich-rule=rule family=\"ipv6\" source address=\"2001:db8::/48\" drop' '--timeout=600'",
                "firewall-cmd '--remove-rich-rule=rule family=\"ipv6\" source address=\"2001:db8::/48\" drop'",
            ),
            (
                With::Iptables,
                "192.0.2.0/24",
                "iptables -w -C INPUT -s 192.0.2.0/24 -m comment --comment nettop -j DROP || \
                 iptables -w -I INPUT -s 192.0.2.0/24 -m comment --comment nettop -j DROP",
                "iptables -w -D INPUT -s 192.0.2.0/24 -m comment --comment nettop -j DROP",
            ),
            (
                With::Iptables,
                "2001:db8::1",
                "ip6tables -w -C INPUT -s 2001:db8::1 -m comment --comment nettop -j DROP || \
                 ip6tables -w -I INPUT -s 2001:db8::1 -m comment --comment nettop -j DROP",
                "ip6tables -w -D INPUT -s 2001:db8::1 -m comment --comment nettop -j DROP",
            ),
        ] {
            let net: Net = net.parse().unwrap();
            let firewall = of(with).unwrap();
            assert_eq!(line(&(firewall.block)(&net, 600)), block);
            assert_eq!(line(&(firewall.unblock)(&net)), unblock);
        }
    }

    #[test]
    fn whatever_is_no_firewall_has_none() {
        assert!(of(With::Print).is_none() && of(With::Xdp).is_none());
    }
}
