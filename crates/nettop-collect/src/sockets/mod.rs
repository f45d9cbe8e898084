//! The sockets of this host: its connections in both directions and what listens, with what TCP knows of each and, as far as it may
//! be known, the process that has it. All of it needs no privilege, but for the owners of others' sockets.

pub mod calls;
pub mod command_line;
pub mod diag;
pub mod files;
mod groups;
mod hooked;
pub mod inet;
mod owners;
pub mod packet;
mod process;
pub mod reading;
mod sockstat;

use std::{
    collections::HashSet,
    io,
    path::Path,
    time::{Duration, Instant},
};

use nettop_model::clock::{self, Moment};

use self::{
    diag::{Diag, HalfOpen},
    hooked::Hooked,
    owners::Owners,
    sockstat::Sockstat,
};
pub use self::{
    owners::PATIENCE,
    reading::{Census, Process, SocketProtocol, SocketRow, TcpFacts, Unlisted},
};
use crate::{
    collector::{self, Collector, Reading},
    kernel::{self, open_files::OpenFiles},
    netlink,
};

/// How often sockets are listed, where that costs little.
const PACE: Duration = Duration::from_secs(1);
/// How often, where nothing has come or gone since the census before. A pass over the kernel's table of connections takes some milliseconds
/// also where there are none: it is megabytes that no cache holds by then.
const QUIET: Duration = Duration::from_secs(3);
/// How often what calls move is read, and how often where the programs' tables are filled soon.
const HOOKS: Duration = Duration::from_secs(1);
const HOOKS_FULL: Duration = Duration::from_millis(100);
/// How full tables are that are filled soon.
const SOON: f64 = 0.2;
/// How often at least, whatever it costs.
const SLOWEST: Duration = Duration::from_secs(30);
/// How often connections are counted that are not confirmed yet: that is another pass over the kernel's table of connections.
const HALF_OPEN_EVERY: Duration = Duration::from_secs(10);
/// With so many of them they are counted in each census: they may be an attack.
const MANY_HALF_OPEN: u64 = 64;
/// Sockets listed at most. Others are counted.
const MOST: usize = 65_536;
/// Bytes of each: 20 MiB for all of them.
const _: () = assert!(size_of::<SocketRow>() <= 320);

/// Lists them.
pub struct Sockets {
    diag: io::Result<Diag>,
    owners: Owners,
    hooked: Option<Hooked>,
    /// Why there is none, where there should be.
    unhooked: Option<String>,
    /// Why the kernel does not tell owners, where it should.
    untold: Option<String>,
    /// Not before this the next census is due.
    next: Instant,
    /// Whether what calls moved was read since the newest census.
    has_calls: bool,
    sockstat: Sockstat,
    ephemeral: Option<(u16, u16)>,
    /// How long to wait after the newest census.
    rest: Duration,
    /// Sockets in the newest census.
    listed: usize,
    /// What the newest census had moved.
    moved: Option<u64>,
    /// Connections that were asked for and not confirmed yet, and when they were counted.
    half_open: Option<(Option<HalfOpen>, Instant)>,
}

impl Sockets {
    /// Opens what is read, and looks for the owners of the sockets there are: to be called before the sandbox is entered, after which
    /// nobody's files can be looked at in `/proc`. That takes no longer than `patience`.
    pub fn open(patience: Duration) -> Self {
        Self::with_owners(Owners::new(Path::new("/proc")), patience)
    }

    /// The same, with owners as the kernel tells them, at any time; or, where it does not, as they are found before the sandbox.
    pub fn open_with(files: Option<Result<OpenFiles, String>>, patience: Duration) -> Self {
        match files {
            Some(Ok(files)) => Self::with_owners(Owners::of_kernel(Path::new("/proc"), files), patience),
            Some(Err(untold)) => Self { untold: Some(untold), ..Self::open(patience) },
            None => Self::open(patience),
        }
    }

    fn with_owners(mut owners: Owners, patience: Duration) -> Self {
        owners.look(patience);
        Self {
            diag: Diag::open(),
            owners,
            hooked: None,
            unhooked: None,
            untold: None,
            next: Instant::now(),
            has_calls: false,
            sockstat: Sockstat::open(),
            ephemeral: sockstat::ephemeral_ports(),
            rest: PACE,
            listed: 0,
            moved: None,
            half_open: None,
        }
    }

    /// The same, with what the programs at the kernel's tracepoints count; or why there are none.
    #[must_use]
    pub fn with_hooks(self, hooks: Option<kernel::SocketHooks>) -> Self {
        let (hooked, unhooked) = match hooks {
            None => (None, None),
            Some(Ok((hooks, missing))) => (Some(Hooked::new(hooks, missing.is_none())), missing),
            Some(Err(why)) => (None, Some(why)),
        };
        Self { hooked, unhooked, ..self }
    }

    /// Lists the sockets there are now.
    pub fn census(&mut self) -> Census {
        let began = clock::thread_cpu_ns();
        let sockets = Vec::with_capacity(self.listed);
        let mut census = Census { at: Moment::now(), sockets, ephemeral: self.ephemeral, ..Census::default() };
        match &mut self.diag {
            Ok(diag) => {
                let Census { sockets, left_out, left_out_by_state, .. } = &mut census;
                let missing = diag.list(&mut |row| {
                    if sockets.len() < MOST {
                        return sockets.push(row);
                    }
                    *left_out += 1;
                    if row.protocol == SocketProtocol::Tcp {
                        *left_out_by_state.entry(row.state).or_default() += 1;
                    }
                });
                (census.problems, census.unlisted) = (missing.problems, missing.unlisted);
                if self.half_open.as_ref().is_none_or(|(newest, at)| is_due(newest.as_ref(), at.elapsed())) {
                    self.half_open = Some((diag.half_open(), Instant::now()));
                }
                if let Some((Some(half_open), _)) = &self.half_open {
                    census.syn_recv = Some(half_open.count);
                    census.half_open = half_open.by_local().collect();
                }
            }
            Err(error) => census.problems.push(format!("opening a socket to list sockets: {error}")),
        }
        census.partial = !census.problems.is_empty();
        match interfaces_of(&census.sockets) {
            Ok(interfaces) => census.interfaces = interfaces,
            Err(error) => census.problems.push(format!("the interfaces that sockets are bound to: {error}")),
        }
        match self.sockstat.read() {
            Ok(counts) => (census.orphans, census.time_wait) = counts,
            Err(problem) => census.problems.push(problem),
        }
        let all = census.is_whole();
        self.own(&mut census, all);
        if lacks_owners(&census) && self.owners.look_again() {
            census.sockets.iter_mut().for_each(|socket| socket.owner = None);
            self.own(&mut census, all);
        }
        if census.is_whole() {
            self.hooked.iter_mut().for_each(Hooked::forget);
        }
        census.unhooked.clone_from(&self.unhooked);
        if lacks_owners(&census) {
            let why = |refused: &str| {
                [Some(refused), self.untold.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("; ")
            };
            census.owners_refused = self.owners.refused().map(why);
        }
        self.listed = census.sockets.len();
        census.cost_ns = clock::thread_cpu_ns().saturating_sub(began);
        let moved = moved(&census.sockets);
        self.rest = rest(census.cost_ns, self.moved == Some(moved));
        self.moved = Some(moved);
        census.rest_ns = self.rest.as_nanos() as u64;
        census
    }
}

impl Sockets {
    /// Tells each socket its owner.
    fn own(&mut self, census: &mut Census, all: bool) {
        census.processes = self.owners.of(&mut census.sockets, all);
        self.hooked.iter_mut().for_each(|hooked| hooked.own(census));
    }
}

impl Collector for Sockets {
    fn name(&self) -> &'static str {
        "connections"
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn rest(&self, _: Duration) -> Duration {
        let until_census = self.next.saturating_duration_since(Instant::now());
        match &self.hooked {
            None => until_census,
            Some(hooked) if hooked.fill > SOON => HOOKS_FULL,
            Some(_) => HOOKS.min(until_census),
        }
    }

    /// What calls moved each time, and the sockets when they are due: one of both at a time, for whoever is asked next for the other.
    fn collect(&mut self) -> Reading {
        let is_due = Instant::now() >= self.next;
        if let Some(hooked) = self.hooked.as_mut().filter(|_| !is_due || !std::mem::replace(&mut self.has_calls, true))
        {
            return Reading::Calls(Box::new(hooked.read()));
        }
        self.has_calls = false;
        self.hooked.iter_mut().for_each(Hooked::rest);
        let began = Instant::now();
        let census = self.census();
        self.next = began + self.rest;
        Reading::Sockets(Box::new(census))
    }
}

/// The interfaces that sockets are bound to, and their names.
fn interfaces_of(sockets: &[SocketRow]) -> io::Result<Vec<(u32, String)>> {
    let bound: HashSet<u32> = sockets.iter().map(|socket| socket.interface).filter(|index| *index != 0).collect();
    if bound.is_empty() {
        return Ok(Vec::new());
    }
    let all = netlink::interfaces()?.into_iter();
    Ok(all.filter(|one| bound.contains(&one.index)).map(|one| (one.index, one.name)).collect())
}

/// Whether some process has a socket, and it is not known which.
fn lacks_owners(census: &Census) -> bool {
    census.sockets.iter().any(|socket| socket.inode != 0 && socket.owner.is_none())
}

/// Whether half-open connections are to be counted again, so long after they were.
fn is_due(newest: Option<&HalfOpen>, elapsed: Duration) -> bool {
    elapsed >= HALF_OPEN_EVERY || newest.is_some_and(|newest| newest.count >= MANY_HALF_OPEN)
}

/// How long to wait after a census that took so much of a CPU, and found something new or not.
fn rest(cost_ns: u64, is_quiet: bool) -> Duration {
    collector::rest(cost_ns).clamp(if is_quiet { QUIET } else { PACE }, SLOWEST)
}

/// A number that is another one when a socket came or went, or one of TCP moved anything.
fn moved(sockets: &[SocketRow]) -> u64 {
    let segments =
        |tcp: &TcpFacts| u64::from(tcp.segs_in.unwrap_or_default()) + u64::from(tcp.segs_out.unwrap_or_default());
    let of = |row: &SocketRow| row.identity().wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(segments(&row.tcp));
    sockets.iter().map(of).fold(sockets.len() as u64, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{IpAddr, TcpListener, TcpStream, UdpSocket},
    };

    use super::*;

    #[test]
    fn a_census_takes_a_bounded_share_of_a_cpu() {
        for (cost_ms, expected_ms) in
            [(0, 1000), (1, 1000), (20, 1000), (58, 2900), (237, 11_850), (700, 30_000), (u64::MAX / 1_000_000, 30_000)]
        {
            let expected = Duration::from_millis(expected_ms);
            assert_eq!(rest(cost_ms * 1_000_000, false), expected, "{cost_ms} ms");
            assert_eq!(rest(cost_ms * 1_000_000, true), expected.max(QUIET), "{cost_ms} ms, quiet");
        }
    }

    #[test]
    fn half_open_connections_are_counted_each_time_while_there_are_many() {
        let with = |count: u64| {
            let mut half_open = HalfOpen::default();
            (0..count).for_each(|_| half_open.add(None));
            half_open
        };
        for (newest, elapsed_s, expected) in
            [(Some(0), 9, false), (Some(0), 10, true), (Some(63), 1, false), (Some(64), 1, true), (None, 9, false)]
        {
            let newest = newest.map(with);
            assert_eq!(is_due(newest.as_ref(), Duration::from_secs(elapsed_s)), expected, "{newest:?}, {elapsed_s} s");
        }
    }

    #[test]
    fn a_census_in_which_nothing_moved_is_known() {
        let row = |cookie, segments| SocketRow {
            cookie,
            tcp: TcpFacts { segs_in: Some(segments), ..TcpFacts::default() },
            ..SocketRow::default()
        };
        let before = moved(&[row(1, 5), row(2, 7)]);
        for (name, now, same) in [
            ("nothing", vec![row(1, 5), row(2, 7)], true),
            ("in another order", vec![row(2, 7), row(1, 5)], true),
            ("a segment", vec![row(1, 6), row(2, 7)], false),
            ("a new one", vec![row(1, 5), row(2, 7), row(3, 0)], false),
            ("one is gone", vec![row(1, 5)], false),
            ("one for another", vec![row(1, 5), row(3, 7)], false),
            ("none is left", vec![], false),
        ] {
            assert_eq!(moved(&now) == before, same, "{name}");
        }
    }

    #[test]
    fn the_sockets_of_this_process_are_listed_with_their_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listening socket");
        let (port, udp) = (listener.local_addr().expect("an address").port(), UdpSocket::bind("[::1]:0"));
        let mut client = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let (mut server, _) = listener.accept().expect("a connection");
        client.write_all(&[7; 100_000]).expect("sending");
        server.read_exact(&mut [0; 100_000]).expect("receiving");

        let mut sockets = Sockets::open(Duration::from_secs(60));
        let census = sockets.census();
        assert_eq!(census.problems, Vec::<String>::new());
        let owner = |row: &SocketRow| row.owner.map(|owner| census.processes[owner as usize].pid);
        let find = |local: u16, remote: u16| {
            let mut rows = census.sockets.iter();
            let row = rows.find(|row| (row.local_port, row.remote_port) == (local, remote));
            row.unwrap_or_else(|| panic!("no socket from {local} to {remote}: {:?}", census.sockets))
        };
        let other = client.local_addr().expect("an address").port();
        let (sending, receiving, listening) = (find(other, port), find(port, other), find(port, 0));
        assert_eq!((sending.state, receiving.state, listening.state), (1, 1, 10));
        assert_eq!(receiving.local, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(receiving.tcp.bytes_received, Some(100_000));
        let sent = sending.tcp.bytes_sent.zip(sending.tcp.bytes_retrans).map(|(sent, again)| sent - again);
        assert_eq!(sent, Some(100_000));
        for row in [sending, receiving, listening] {
            assert_eq!(owner(row), Some(std::process::id()), "{row:?}");
            assert!(row.cookie != 0 && row.inode != 0);
        }
        // Where IPv6 is off there is none.
        if let Ok(udp) = udp {
            let row = find(udp.local_addr().expect("an address").port(), 0);
            assert_eq!((row.protocol, owner(row)), (SocketProtocol::Udp, Some(std::process::id())));
        }
        drop((client, server));
        assert!(sockets.census().time_wait.is_some() && census.syn_recv.is_some());
    }
}
