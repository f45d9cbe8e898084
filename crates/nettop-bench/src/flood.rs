//! What the host can still take while it is watched: a flood of real frames at full speed, in alternating rounds with an empty
//! program at the receiver, with the running nettop, screen and all, and with other programs that watch.

use anyhow::{Context as _, Result, bail};

use crate::{
    cpu,
    generator::{Generator, Sources, Then},
    peer, process, rig,
    rounds::{self, Peered, Round, Watched},
    table::{Table, count, median, ratio},
};

/// What the host can still take while it is watched in a flood
#[derive(Clone, clap::Args)]
pub struct Args {
    /// How many source addresses, drawn at random
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1_000, 50_000, 16_000_000], value_name = "LIST",
        value_parser = clap::value_parser!(u32).range(1..))]
    sources: Vec<u32>,
    /// Frames in each round
    #[arg(long, default_value_t = 5_000_000, value_name = "N")]
    frames: u64,
    /// Rounds with each program
    #[arg(long, default_value_t = 7, value_name = "N")]
    rounds: usize,
    /// Another program that watches {iface}, instead of tcpdump and iftop (where installed); repeatable
    #[arg(long, value_name = "CMD")]
    peer: Vec<String>,
    /// No other programs
    #[arg(long, conflicts_with = "peer")]
    no_peers: bool,
}

/// Seconds between ticks.
const INTERVAL: f64 = 1.0;

/// Measures and prints.
///
/// # Errors
/// What the kernel refuses; packets that were received and not counted.
pub fn run(args: &Args, quick: bool) -> Result<()> {
    let mut args = args.clone();
    if quick {
        (args.frames, args.rounds, args.sources) = (300_000, 1, vec![1_000, 16_000_000]);
    }
    let peers = if !args.peer.is_empty() {
        args.peer.clone()
    } else if args.no_peers || quick {
        Vec::new()
    } else {
        peer::installed()
    };
    let (columns, rows) = rig::TERMINAL;
    println!(
        "pinned   the generator to CPU {}; nettop and the other programs run where the scheduler puts them",
        cpu::last()
    );
    println!(
        "nettop   release build, {INTERVAL} s ticks, its screen on a pseudo-terminal of {columns} x {rows} that is read"
    );

    let before = process::receive_softirqs();
    let mut table = Table::new(&[
        "sources",
        "sent",
        "received",
        "counted",
        "untracked",
        "empty, Mpps",
        "nettop, Mpps",
        "ratio",
        "by CPU time",
        "CPU (user) %",
        "RSS (most) MiB",
        "late ticks",
        "holds",
    ]);
    let mut others = Table::new(&["program", "sources", "Mpps", "ratio", "CPU (user) %", "what it says"]);
    let mut uncounted = 0;
    for sources in &args.sources {
        let generator = Generator::load(Sources::Random(*sources), Then::Send).context("the generator")?;
        let (mut empty, mut watched) = (Vec::new(), Vec::new());
        let mut by_peer: Vec<Vec<_>> = peers.iter().map(|_| Vec::new()).collect();
        for _ in 0..args.rounds {
            empty.push(rounds::with_empty(&generator, args.frames)?);
            watched.push(rounds::with_nettop(&generator, args.frames, INTERVAL)?);
            for (peer, rounds) in peers.iter().zip(&mut by_peer) {
                rounds.push(rounds::with_peer(&generator, args.frames, peer)?);
            }
        }
        uncounted += watched.iter().filter(|watched| !watched.is_whole()).count();
        table.row(row(*sources, &empty, &watched));
        for (peer, rounds) in peers.iter().zip(&by_peer) {
            others.row(peer_row(peer, *sources, &empty, rounds));
        }
    }
    let after = process::receive_softirqs();
    let softirqs =
        after.iter().zip(&before).enumerate().map(|(cpu, (after, before))| format!("CPU {cpu} {}", after - before));
    println!("measured receiving softirqs: {}", softirqs.collect::<Vec<_>>().join(", "));
    println!(
        "\nSums over {} rounds; throughput is what was received per second, medians; CPU is of nettop's own threads, 100 % one CPU:",
        args.rounds
    );
    println!("in all, with what softirqs did on top of them where the kernel counts so, and in user space alone.");
    table.print();
    if !peers.is_empty() {
        println!(
            "\nOther programs in the same floods, with the empty program attached; what they say of the last round."
        );
        others.print();
    }
    println!(
        "\nMust: counted = received, no late tick, RSS at most 128 MiB, ratios 0.88 (1,000), 0.65 (50,000), 0.68 (16 million)."
    );
    if uncounted > 0 {
        bail!("in {uncounted} rounds not every packet received was counted, or the accounts do not balance");
    }
    Ok(())
}

fn row(sources: u32, empty: &[Round], watched: &[Watched]) -> Vec<String> {
    let of = |value: &dyn Fn(&Watched) -> f64| watched.iter().map(value).collect::<Vec<_>>();
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let sum = |value: &dyn Fn(&Watched) -> u64| count(watched.iter().map(value).sum());
    let bare = empty.iter().map(Round::mpps).collect::<Vec<_>>();
    let mpps = of(&|watched| watched.round.mpps());
    let ratio_of = |mpps: fn(&Round) -> f64| {
        let ratios: Vec<_> = watched.iter().zip(empty).map(|(ours, empty)| mpps(&ours.round) / mpps(empty)).collect();
        ratio(median(&ratios))
    };
    let late = sum(&|watched| rig::late_ticks(&watched.last));
    vec![
        count(sources.into()),
        sum(&|watched| watched.round.sent),
        sum(&|watched| watched.round.received),
        sum(&|watched| rig::packets(&watched.last, "seen")),
        sum(&|watched| rig::packets(&watched.last, "untracked")),
        format!("{:.2}", median(&bare)),
        format!("{:.2}", median(&mpps)),
        ratio_of(Round::mpps),
        ratio_of(Round::mpps_of_cpu),
        format!("{:.0} ({:.0})", median(&of(&|watched| watched.cpu.0)), median(&of(&|watched| watched.cpu.1))),
        format!("{:.0} ({:.0})", most(&of(&|watched| watched.resident.0)), most(&of(&|watched| watched.resident.1))),
        format!("{late} of {}", sum(&|watched| rig::ticks(&watched.last))),
        if watched.iter().all(|watched| watched.last["accounting"]["holds"] == true) { "yes" } else { "NO" }.into(),
    ]
}

fn peer_row(call: &str, sources: u32, empty: &[Round], peered: &[Peered]) -> Vec<String> {
    let of = |value: fn(&Peered) -> f64| median(&peered.iter().map(value).collect::<Vec<_>>());
    let ratios: Vec<_> = peered.iter().zip(empty).map(|(peered, empty)| peered.round.mpps() / empty.mpps()).collect();
    vec![
        format!("`{call}`"),
        count(sources.into()),
        format!("{:.2}", of(|peered| peered.round.mpps())),
        ratio(median(&ratios)),
        format!("{:.0} ({:.0})", of(|peered| peered.cpu.0), of(|peered| peered.cpu.1)),
        peered.last().map_or_else(String::new, |peered| peered.said.clone()),
    ]
}
