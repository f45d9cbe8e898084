//! Addresses that this host, or whoever looks after it, cannot do without: its own, gateways, resolvers, and those from which somebody is
//! logged in over SSH, or looks at this monitor. Whoever blocks something asks here first.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, io,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    collector::{Collector, Reading},
    netlink::routes,
    sockets::diag::Diag,
};

/// How often they are looked for while something is blocked.
const PACE: Duration = Duration::from_secs(1);
/// And else: a pass over the kernel's table of connections takes milliseconds.
const SELDOM: Duration = Duration::from_secs(10);
/// Where resolvers are named: the second is what systemd-resolved, which listens on a loopback address, asks itself.
const RESOLV_CONF: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];
/// What is looked for there.
const CONNECTIONS: &str = "connections to sshd and to this monitor";
/// The port of sshd, whatever else is found.
const SSH: u16 = 22;

/// How long somebody can be connected to sshd without having logged in: LoginGraceTime (sshd_config(5)), 120 s unless it is set, and what
/// passes between two looks.
const GRACE: Duration = Duration::from_secs(150);

/// Connections to sshd, by the other end, and since when they are known; `None`: they were there before the first look.
type Known = BTreeMap<(IpAddr, u16), Option<Instant>>;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifelines {
    /// The host's own addresses.
    pub own: BTreeSet<IpAddr>,
    /// The next hops to public addresses.
    pub gateways: BTreeSet<IpAddr>,
    /// The name servers that are asked.
    pub resolvers: BTreeSet<IpAddr>,
    /// From where somebody is connected to sshd, or has called this process.
    pub ssh: BTreeSet<IpAddr>,
    /// Of these, who is connected for longer than sshd waits for a login, or may be: whoever tries passwords is connected, too.
    pub settled: BTreeSet<IpAddr>,
    /// From where somebody is connected to the monitor's control socket.
    pub control: BTreeSet<IpAddr>,
    /// What could not be read, and why, in words: then nothing can be said to be safe.
    pub problems: Vec<String>,
}

/// Looks for them.
pub struct LifelineWatch {
    diag: io::Result<Diag>,
    ports: BTreeSet<u16>,
    /// Of the control socket, where that is one of TCP.
    control: Option<u16>,
    /// What does not change, or cannot be read any more in the sandbox.
    found: Lifelines,
    /// What somebody who called this process over SSH comes from.
    caller: Option<IpAddr>,
    /// Who is connected to sshd; `None`: nobody has looked yet.
    known: Option<Known>,
    /// Something is blocked.
    is_urgent: Arc<AtomicBool>,
    looked: Option<Instant>,
}

impl LifelineWatch {
    /// Reads what the sandbox hides later: resolvers, and the ports of sshd. `control` is the port of the monitor's control socket, where it has
    /// one of TCP.
    pub fn open(control: Option<u16>) -> Self {
        let mut diag = Diag::open();
        let connection = env::var("SSH_CONNECTION").unwrap_or_default();
        let (caller, port) = caller(&connection);
        let mut ports = BTreeSet::from([SSH]);
        ports.extend(port);
        if let Ok(diag) = &mut diag {
            ports.extend(ports_of_sshd(Path::new("/proc"), diag));
        }
        let texts = RESOLV_CONF.iter().filter_map(|path| fs::read_to_string(path).ok());
        let found = Lifelines { resolvers: texts.flat_map(|text| resolvers(&text)).collect(), ..Lifelines::default() };
        Self { diag, ports, control, found, caller, known: None, is_urgent: Arc::default(), looked: None }
    }

    /// To be set while something is blocked: then it looks each second.
    pub fn urgency(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_urgent)
    }

    /// What cannot be read of it now, in words.
    pub fn problems(mut self) -> Vec<String> {
        self.look();
        self.found.problems
    }

    fn look(&mut self) {
        let now = Instant::now();
        self.looked = Some(now);
        let Self { diag, ports, control, found, caller, known, .. } = self;
        found.problems.clear();
        let mut note = |what: &str, error: io::Error| found.problems.push(format!("{what}: {error}"));
        match routes::own_addresses() {
            Ok(own) => found.own = own,
            Err(error) => note("the host's own addresses", error),
        }
        match routes::gateways() {
            Ok(gateways) => found.gateways = gateways,
            Err(error) => note("gateways", error),
        }
        let mut there = BTreeSet::new();
        match diag {
            Ok(diag) => {
                let mut controlling = BTreeSet::new();
                let is_meant = |port| ports.contains(&port) || *control == Some(port);
                let peers = diag.peers(is_meant, &mut |port, peer| {
                    _ = if *control == Some(port) { controlling.insert(peer.0) } else { there.insert(peer) };
                });
                match peers {
                    Ok(()) => {
                        found.control = controlling;
                        found.ssh = there.iter().map(|(ip, _)| *ip).chain(*caller).collect();
                        found.settled = settled(known, &there, now).chain(*caller).collect();
                    }
                    Err(error) => note(CONNECTIONS, error),
                }
            }
            Err(error) => note(CONNECTIONS, io::Error::new(error.kind(), error.to_string())),
        }
    }
}

impl Collector for LifelineWatch {
    fn name(&self) -> &'static str {
        "guarded addresses"
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn collect(&mut self) -> Reading {
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= SELDOM);
        if is_due || self.is_urgent.load(Ordering::Relaxed) {
            self.look();
        }
        Reading::Lifelines(Box::new(self.found.clone()))
    }
}

/// Who of these is connected for so long that it has logged in, as far as can be told.
fn settled(known: &mut Option<Known>, there: &BTreeSet<(IpAddr, u16)>, now: Instant) -> impl Iterator<Item = IpAddr> {
    let before = known.take();
    let since = |end| before.as_ref().and_then(|before| before.get(end).copied().unwrap_or(Some(now)));
    let known = known.insert(there.iter().map(|end| (*end, since(end))).collect());
    let is_settled = move |since: &Option<Instant>| since.is_none_or(|since| now.duration_since(since) >= GRACE);
    known.iter().filter(move |(_, since)| is_settled(since)).map(|((ip, _), _)| *ip)
}

/// The addresses of `nameserver` lines (resolv.conf(5)); zones of link-local ones are no part of an address on the wire.
fn resolvers(text: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let address = (words.next() == Some("nameserver")).then(|| words.next())??;
        address.split('%').next()?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
    };
    text.lines().filter_map(address).collect()
}

/// `SSH_CONNECTION` (ssh(1)): address and port of the client, address and port of the server.
fn caller(connection: &str) -> (Option<IpAddr>, Option<u16>) {
    let words: Vec<_> = connection.split(' ').collect();
    let [client, _, _, port] = words[..] else { return (None, None) };
    let client = client.split('%').next().and_then(|text| text.parse::<IpAddr>().ok());
    (client.map(|ip| ip.to_canonical()), port.parse().ok())
}

/// The local ports of the sockets that processes of sshd have.
fn ports_of_sshd(proc: &Path, diag: &mut Diag) -> BTreeSet<u16> {
    let mut inodes = BTreeSet::new();
    for process in fs::read_dir(proc).into_iter().flatten().flatten() {
        let folder = process.path();
        let is_sshd = fs::read_to_string(folder.join("comm")).is_ok_and(|name| name.starts_with("sshd"));
        if is_sshd {
            let files = fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
            // Of the file that a descriptor stands for, not of the link.
            inodes.extend(files.filter_map(|file| fs::metadata(file.path()).ok()).map(|data| data.ino()));
        }
    }
    let mut ports = BTreeSet::new();
    if !inodes.is_empty() {
        diag.list(&mut |row| {
            if row.inode != 0 && inodes.contains(&row.inode.into()) {
                ports.insert(row.local_port);
            }
        });
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_found() {
        for (name, text, expected) in [
            ("one", "nameserver 192.0.2.53\n", &["192.0.2.53"][..]),
            (
                "two, and others",
                "search example.org\nnameserver 192.0.2.53\noptions edns0\nnameserver 2001:db8::53",
                &["192.0.2.53", "2001:db8::53"],
            ),
            ("a zone", "nameserver fe80::1%eth0", &["fe80::1"]),
            ("comments", "# nameserver 192.0.2.1\n;nameserver 192.0.2.2", &[]),
            ("none", "nameserver\nnameserver here", &[]),
        ] {
            let found: Vec<_> = resolvers(text).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn the_caller_is_found() {
        for (text, client, port) in [
            ("192.0.2.1 50000 198.51.100.1 2222", Some("192.0.2.1"), Some(2222)),
            ("2001:db8::1 50000 2001:db8::2 22", Some("2001:db8::1"), Some(22)),
            ("fe80::1%eth0 50000 fe80::2%eth0 22", Some("fe80::1"), Some(22)),
            ("UNKNOWN 65535 UNKNOWN 65535", None, Some(65535)),
            ("", None, None),
        ] {
            assert_eq!(caller(text), (client.map(|text| text.parse().unwrap()), port), "{text}");
        }
    }

    #[test]
    fn who_is_connected_for_longer_than_a_login_takes_is_settled() {
        let (old, new, newer) = (([192, 0, 2, 1], 1), ([192, 0, 2, 2], 2), ([192, 0, 2, 2], 3));
        let mut known = None;
        let start = Instant::now();
        for (seconds, there, expected) in [
            (0, &[old][..], &[1][..]),
            (10, &[old, new], &[1]),
            (159, &[old, new], &[1]),
            (160, &[old, new], &[1, 2]),
            // Another connection from there is no older for that.
            (170, &[newer], &[]),
            (180, &[], &[]),
            (190, &[old], &[]),
            (319, &[old, newer], &[]),
            (340, &[old, newer], &[1]),
        ] {
            let there = there.iter().map(|(ip, port)| (IpAddr::from(*ip), *port)).collect();
            let found = settled(&mut known, &there, start + Duration::from_secs(seconds));
            let expected: Vec<_> = expected.iter().map(|last| IpAddr::from([192, 0, 2, *last])).collect();
            assert_eq!(found.collect::<Vec<_>>(), expected, "after {seconds} s");
        }
    }

    #[test]
    fn the_host_s_own_addresses_are_found() {
        let mut watch = LifelineWatch::open(None);
        let Reading::Lifelines(found) = watch.collect() else { panic!("another reading") };
        assert_eq!(found.problems, Vec::<String>::new());
        assert!(watch.looked.is_some());
    }
}
