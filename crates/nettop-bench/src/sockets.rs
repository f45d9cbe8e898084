//! What the programs at tracepoints cost a call on a socket, a connection and a packet that is dropped: the same work with them and without,
//! in turn; and what a census of sockets costs.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nettop_collect::{kernel::capacity::Capacity, sockets::Sockets};
use nettop_tests::tracepoints::{Attached, Tracepoints};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    cpu,
    table::{MarkdownTable, count, median},
};

/// What the programs at tracepoints cost a call, and what a census of sockets costs
#[derive(clap::Args)]
pub struct Args {
    /// Rounds, each with the programs and without
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Calls in each
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    calls: usize,
    /// Connections of the largest census; each takes two descriptors
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    connections: usize,
}

/// Bytes of each connection, each way.
const EACH_WAY: usize = 137;
/// Sockets that calls go to in turn.
const SOCKETS: usize = 1_000;

/// Work that is done again and again.
struct Case<'a> {
    name: String,
    /// Which programs count it.
    counted_by: Counts,
    /// Does so much work, and returns how much of a CPU one took.
    work: Box<dyn FnMut() -> Result<Duration> + 'a>,
    bare: Vec<f64>,
    hooked: Vec<f64>,
}

/// What programs count.
#[derive(Clone, Copy)]
enum Counts {
    /// Calls on sockets.
    Calls,
    /// What the kernel drops.
    Drops,
}

impl Counts {
    fn attach(self, programs: &mut Tracepoints) -> Attached {
        match self {
            Self::Calls => programs.attach(),
            Self::Drops => programs.attach_drops(),
        }
    }

    /// Whether anything was counted since `dropped_before`, or the last time: programs that count nothing would be cheap ones.
    fn have(self, programs: &mut Tracepoints, dropped_before: u64) -> bool {
        let total = programs.read().total;
        match self {
            Self::Calls => total.tx_calls > 0 && total.rx_calls > 0,
            Self::Drops => programs.dropped() > dropped_before,
        }
    }
}

/// Measures and prints.
///
/// # Errors
/// What the kernel refuses.
pub fn run(args: &Args, quick: bool) -> Result<()> {
    let Args { rounds, calls, connections } =
        if quick { &Args { rounds: 2, calls: 2_000, connections: 200 } } else { args };
    let (rounds, calls, connections) = (*rounds, *calls, *connections);
    let on = cpu::last();
    cpu::pin(on).context("pinning to a CPU")?;
    println!("pinned   to CPU {on}; {rounds} rounds with and without, of {} calls", count(calls as u64));
    let one = UdpSocket::bind("127.0.0.1:0")?;
    let many: Vec<_> = (0..SOCKETS).map(|_| UdpSocket::bind("127.0.0.1:0")).collect::<io::Result<_>>()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let full = full()?;
    let case = |name: String, counted_by, work: Box<dyn FnMut() -> Result<Duration>>| Case {
        name,
        counted_by,
        work,
        bare: Vec::new(),
        hooked: Vec::new(),
    };
    let mut cases = vec![
        case(
            "a byte by UDP to itself: send and receive".into(),
            Counts::Calls,
            Box::new(move || datagrams(&[&one], calls)),
        ),
        case(
            format!("the same by {} sockets in turn", count(SOCKETS as u64)),
            Counts::Calls,
            Box::new(move || datagrams(&many.iter().collect::<Vec<_>>(), calls)),
        ),
        case(
            format!("a connection: {EACH_WAY} bytes each way, and its end"),
            Counts::Calls,
            Box::new(move || accepted(&listener, calls / 40)),
        ),
        case("a byte by UDP that is dropped, `--drops`".into(), Counts::Drops, Box::new(move || dropped(&full, calls))),
    ];
    let mut programs = Tracepoints::load(Capacity::MOST);
    for round in 0..=rounds {
        for case in &mut cases {
            let bare = (case.work)()?;
            let before = programs.dropped();
            let links = case.counted_by.attach(&mut programs);
            let hooked = (case.work)()?;
            drop(links);
            ensure!(case.counted_by.have(&mut programs, before), "{}: nothing was counted", case.name);
            if round > 0 {
                case.bare.push(bare.as_secs_f64() * 1e9);
                case.hooked.push(hooked.as_secs_f64() * 1e9);
            }
        }
    }
    let mut table = MarkdownTable::new(&["CPU time", "without, ns", "with, ns", "more, ns", "ratio"]);
    for Case { name, bare, hooked, .. } in &cases {
        let pairs = || bare.iter().zip(hooked);
        let more: Vec<_> = pairs().map(|(bare, hooked)| hooked - bare).collect();
        let ratio: Vec<_> = pairs().map(|(bare, hooked)| hooked / bare).collect();
        let numbers = [median(bare), median(hooked), median(&more)].map(|ns| format!("{ns:.0}"));
        let [bare, hooked, more] = numbers;
        table.row([name.clone(), bare, hooked, more, format!("{:.2}", median(&ratio))]);
    }
    println!();
    table.print();
    census(connections, rounds)
}

/// Sends a byte by each socket in turn to itself, and receives it.
fn datagrams(sockets: &[&UdpSocket], calls: usize) -> Result<Duration> {
    let addresses: Vec<_> = sockets.iter().map(|socket| socket.local_addr()).collect::<io::Result<_>>()?;
    let (done, _, used) = cpu::time(|| -> io::Result<()> {
        for call in 0..calls {
            let at = call % sockets.len();
            sockets[at].send_to(&[1], addresses[at])?;
            sockets[at].recv_from(&mut [0])?;
        }
        Ok(())
    });
    done.context("sending to itself")?;
    Ok(used / calls as u32)
}

/// A socket that has room for nothing more.
fn full() -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    // By default there is room for a few hundred.
    for _ in 0..10_000 {
        socket.send_to(&[1], address)?;
    }
    Ok(socket)
}

/// Sends a byte again and again to such a socket.
fn dropped(full: &UdpSocket, calls: usize) -> Result<Duration> {
    let address = full.local_addr()?;
    let (done, _, used) = cpu::time(|| (0..calls).try_for_each(|_| full.send_to(&[1], address).map(drop)));
    done.context("sending to a socket that is full")?;
    Ok(used / calls as u32)
}

/// Opens connections one by one, moves bytes both ways, and closes them.
fn accepted(listener: &TcpListener, connections: usize) -> Result<Duration> {
    let address = listener.local_addr()?;
    let connections = connections.max(1);
    let (done, _, used) = cpu::time(|| -> io::Result<()> {
        let mut bytes = [1; EACH_WAY];
        for _ in 0..connections {
            let mut client = TcpStream::connect(address)?;
            let (mut server, _) = listener.accept()?;
            client.write_all(&bytes)?;
            server.read_exact(&mut bytes)?;
            server.write_all(&bytes)?;
            client.read_exact(&mut bytes)?;
        }
        Ok(())
    });
    done.context("connecting to itself")?;
    Ok(used / connections as u32)
}

/// Lists sockets, of which there are ever more.
fn census(most: usize, rounds: u32) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .context("raising the limit of open files")?;
    // Each has two ends.
    let most = limit.maximum.map_or(most, |maximum| most.min((maximum as usize).saturating_sub(4096) / 2));
    let mut sockets = Sockets::open(Duration::from_secs(30));
    let mut table = MarkdownTable::new(&["connections", "sockets listed", "CPU time, ms", "µs per socket"]);
    let (mut held, mut listeners) = (Vec::new(), Vec::new());
    for connections in [0, most / 50, most / 5, most] {
        while held.len() < connections {
            // A port of the other end for each: there are about 28,000.
            if held.len().is_multiple_of(20_000) {
                listeners.push(TcpListener::bind("127.0.0.1:0")?);
            }
            let Some(listener) = listeners.last() else { break };
            let client = TcpStream::connect(listener.local_addr()?).context("connecting to itself")?;
            held.push((client, listener.accept()?.0));
        }
        let mut listed = 0;
        let costs: Vec<_> = (0..rounds)
            .map(|_| {
                let (census, _, used) = cpu::time(|| sockets.census());
                listed = census.sockets.len();
                used.as_secs_f64() * 1e3
            })
            .collect();
        ensure!(listed >= (2 * connections).min(65_536), "{listed} sockets are listed, of {}", 2 * connections);
        let cost = median(&costs);
        let each = match connections {
            0 => "–".to_string(),
            _ => format!("{:.2}", cost * 1e3 / (2 * connections) as f64),
        };
        table.row([count(connections as u64), count(listed as u64), format!("{cost:.2}"), each]);
    }
    println!(
        "\nA census, of which at most 65,536 sockets are listed and the others counted. It is taken after 50 times as long as it took.\n"
    );
    table.print();
    Ok(())
}
