//! Rounds of a flood that alternate: with an empty program at the receiver, with the running nettop, screen and all, and with other
//! programs that watch. `flood` and `carpet` are such floods.

use anyhow::{Result, bail, ensure};

use crate::{
    cpu, peer, process, rig,
    rounds::{self, Flood, Peered, Round, Watched},
    table::{MarkdownTable, count, median, ratio},
};

/// How it is measured.
#[derive(Clone, clap::Args)]
pub struct Plan {
    /// Frames in each round
    #[arg(long, default_value_t = 5_000_000, value_name = "N")]
    pub frames: u64,
    /// Rounds with each program
    #[arg(long, default_value_t = 7, value_name = "N")]
    pub rounds: usize,
    /// Send from so many CPUs at once, each over an interface of its own; with all of them, none is left for who watches
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub cpus: u8,
    /// Where nettop counts sources, destinations and MACs: --maps of nettop run
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values = ["slots", "hash"])]
    pub maps: Vec<String>,
    /// Another program that watches {iface}, instead of tcpdump and iftop (where installed); repeatable
    #[arg(long, value_name = "CMD", conflicts_with = "cpus")]
    pub peer: Vec<String>,
    /// No other programs
    #[arg(long, conflicts_with = "peer")]
    pub no_peers: bool,
}

/// What varies in a flood, with how many values; and the flood.
pub type Case = (u32, Flood);

/// Seconds between ticks.
const INTERVAL: f64 = 1.0;

impl Plan {
    /// To show that it works.
    pub fn quick(&mut self) {
        (self.frames, self.rounds, self.no_peers) = (300_000, 1, self.peer.is_empty());
    }

    fn peers(&self) -> Vec<String> {
        match &self.peer[..] {
            [] if self.no_peers || self.cpus > 1 => Vec::new(),
            [] => peer::installed(),
            peers => peers.to_vec(),
        }
    }
}

/// Measures and prints; `what` varies.
///
/// # Errors
/// What the kernel refuses; packets that were received and not counted.
pub fn measure(what: &str, cases: impl Iterator<Item = Result<Case>>, plan: &Plan) -> Result<()> {
    let cpus: Vec<_> = cpu::allowed().into_iter().take(plan.cpus.into()).map(|cpu| cpu.to_string()).collect();
    ensure!(cpus.len() == usize::from(plan.cpus), "there are only {} CPUs here: --cpus {}", cpus.len(), cpus.len());
    let peers = plan.peers();
    let (columns, rows) = rig::TERMINAL;
    println!(
        "pinned   the generators to CPU {}; nettop and the other programs run where the scheduler puts them",
        cpus.join(", ")
    );
    println!(
        "nettop   release build, {INTERVAL} s ticks, its screen on a pseudo-terminal of {columns} x {rows} that is read"
    );

    let before = process::receive_softirqs();
    let mut speed = MarkdownTable::new(&[
        what,
        "empty, Mpps",
        "nettop, Mpps",
        "ratio",
        "by CPU time",
        "kernel, ns",
        "user, ns",
        "sum, ns",
        "CPU (user) %",
        "RSS (most) MiB",
        "late ticks",
    ]);
    let mut accounts = MarkdownTable::new(&[
        what,
        "sent",
        "received",
        "counted",
        "untracked",
        "evicted",
        "of it unadmitted",
        "untracked destinations",
        "holds",
    ]);
    let mut others = MarkdownTable::new(&["program", what, "Mpps", "ratio", "CPU (user) %", "what it says"]);
    let mut uncounted = 0;
    for case in cases {
        let (number, flood) = case?;
        let mut empty = Vec::new();
        let mut by_form: Vec<Vec<_>> = plan.maps.iter().map(|_| Vec::new()).collect();
        let mut by_peer: Vec<Vec<_>> = peers.iter().map(|_| Vec::new()).collect();
        for _ in 0..plan.rounds {
            empty.push(rounds::with_empty(&flood)?);
            for (form, watched) in plan.maps.iter().zip(&mut by_form) {
                watched.push(rounds::with_nettop(&flood, INTERVAL, &format!("--maps {form}"))?);
            }
            for (peer, rounds) in peers.iter().zip(&mut by_peer) {
                rounds.push(rounds::with_peer(&flood, peer)?);
            }
        }
        for (form, watched) in plan.maps.iter().zip(&by_form) {
            let name = match form.as_str() {
                "slots" => count(number.into()),
                _ => format!("{}, {form}", count(number.into())),
            };
            uncounted += watched.iter().filter(|watched| !watched.is_whole()).count();
            speed.row(speed_row(&name, &empty, watched));
            accounts.row(account_row(&name, watched));
        }
        for (peer, rounds) in peers.iter().zip(&by_peer) {
            others.row(peer_row(peer, number, &empty, rounds));
        }
    }
    let after = process::receive_softirqs();
    let softirqs =
        after.iter().zip(&before).enumerate().map(|(cpu, (after, before))| format!("CPU {cpu} {}", after - before));
    println!("measured receiving softirqs: {}", softirqs.collect::<Vec<_>>().join(", "));
    println!(
        "\nMedians of {} rounds; throughput is what was received per second. Nanoseconds of CPU time for each packet received: kernel,",
        plan.rounds
    );
    println!(
        "those of the generator, less those of the round before with the empty program; user, those of all of nettop's threads."
    );
    println!(
        "CPU is of the same threads while frames came, 100 % one CPU: in all, with what softirqs did on top of them where the"
    );
    println!("kernel counts so, and in user space alone.");
    speed.print();
    println!("\nPackets, sums over the rounds.");
    accounts.print();
    if !peers.is_empty() {
        println!(
            "\nOther programs in the same floods, with the empty program attached; what they say of the last round."
        );
        others.print();
    }
    if uncounted > 0 {
        bail!("in {uncounted} rounds not every packet received was counted, or the accounts do not balance");
    }
    Ok(())
}

fn speed_row(name: &str, empty: &[Round], watched: &[Watched]) -> Vec<String> {
    let of = |value: &dyn Fn(&Watched) -> f64| watched.iter().map(value).collect::<Vec<_>>();
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let sum = |value: &dyn Fn(&Watched) -> u64| count(watched.iter().map(value).sum());
    let bare = empty.iter().map(Round::mpps).collect::<Vec<_>>();
    let mpps = of(&|watched| watched.round.mpps());
    let ratio_of = |mpps: fn(&Round) -> f64| {
        let ratios: Vec<_> = watched.iter().zip(empty).map(|(ours, empty)| mpps(&ours.round) / mpps(empty)).collect();
        ratio(median(&ratios))
    };
    let kernel = watched
        .iter()
        .zip(empty)
        .map(|(Watched { round, .. }, empty)| round.ns_of(round.used) - empty.ns_of(empty.used));
    let kernel: Vec<_> = kernel.collect();
    let user = of(&|watched| watched.round.ns_of(watched.used));
    let both: Vec<_> = kernel.iter().zip(&user).map(|(kernel, user)| kernel + user).collect();
    let ns = |values: &[f64]| format!("{:.0}", median(values));
    vec![
        name.into(),
        format!("{:.2}", median(&bare)),
        format!("{:.2}", median(&mpps)),
        ratio_of(Round::mpps),
        ratio_of(Round::mpps_of_cpu),
        ns(&kernel),
        ns(&user),
        ns(&both),
        format!("{:.0} ({:.0})", median(&of(&|watched| watched.cpu.0)), median(&of(&|watched| watched.cpu.1))),
        format!("{:.0} ({:.0})", most(&of(&|watched| watched.resident.0)), most(&of(&|watched| watched.resident.1))),
        format!("{} of {}", sum(&|watched| rig::late_ticks(&watched.last)), sum(&|watched| rig::ticks(&watched.last))),
    ]
}

fn account_row(name: &str, watched: &[Watched]) -> Vec<String> {
    let sum = |value: &dyn Fn(&Watched) -> u64| count(watched.iter().map(value).sum());
    let packets = |part: &str| sum(&|watched| rig::packets(&watched.last, part));
    let holds = watched.iter().all(|watched| watched.last["accounting"]["holds"] == true);
    vec![
        name.into(),
        sum(&|watched| watched.round.sent),
        sum(&|watched| watched.round.received),
        packets("seen"),
        packets("untracked"),
        packets("evicted"),
        packets("unadmitted"),
        packets("untracked_destinations"),
        if holds { "yes" } else { "NO" }.into(),
    ]
}

fn peer_row(call: &str, number: u32, empty: &[Round], peered: &[Peered]) -> Vec<String> {
    let of = |value: fn(&Peered) -> f64| median(&peered.iter().map(value).collect::<Vec<_>>());
    let ratios: Vec<_> = peered.iter().zip(empty).map(|(peered, empty)| peered.round.mpps() / empty.mpps()).collect();
    vec![
        format!("`{call}`"),
        count(number.into()),
        format!("{:.2}", of(|peered| peered.round.mpps())),
        ratio(median(&ratios)),
        format!("{:.0} ({:.0})", of(|peered| peered.cpu.0), of(|peered| peered.cpu.1)),
        peered.last().map_or_else(String::new, |peered| peered.said.clone()),
    ]
}
