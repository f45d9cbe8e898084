//! What the kernel program costs a packet, on one CPU, by `BPF_PROG_TEST_RUN`: the same frame again and again, so that memory is
//! as near as it can be, and then with many sources, so that it is not.
//!
//! Each figure is the CPU time of the system call divided by the number of runs: whole programs with the kernel's own
//! loop, which is all that the row of the empty program has. Rounds alternate, medians are printed.

use std::{
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd as _, OwnedFd},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use nettop_collect::kernel::capacity::Capacity;
use nettop_common::{
    LinkLayer,
    counters::{Part, Table},
};
use nettop_model::{filter::FilterText, net::Net};
use nettop_tests::{
    bpf,
    egress::EgressPrograms,
    frames::{self, Spec, Transport},
    kernel::{DROP, Kernel},
};

use crate::{
    assembly::{self, PASS},
    cpu,
    generator::{Addresses, DESTINATION, Generator, SOURCE, Then},
    reference::{self, Reference},
    table::{MarkdownTable, count, median, ratio},
};

/// What the kernel program costs a packet
#[derive(clap::Args)]
pub struct Args {
    /// Runs in each measurement
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    repeat: u32,
    /// Measurements of each row
    #[arg(long, default_value_t = 7, value_name = "N")]
    rounds: usize,
}

/// As nettop sizes its maps by default on a machine of two CPUs and some gigabytes.
const USUAL: Capacity = Capacity::MOST;
/// A bit that makes it the program which asks about each part, as where some are left out.
const OF_NO_PART: u32 = 1 << 31;
/// Where there is one source anyhow.
const SMALL: Capacity = Capacity { bits: [7; Table::COUNT], log_bits: 8, ..Capacity::MOST };
/// What the sampler chooses at ten million packets per second: one in so many is an event.
const SAMPLING: u32 = 1024;
/// So many new sources fill the slots: most of them find one.
const NEW: u32 = 4_096;
/// So many packets come in a tenth of a second of a flood, after which slots and log are emptied.
const TENTH: u32 = 200_000;
/// Of one source.
const DESTINATIONS: u32 = 1_000;
/// How many sources, at random, and what that means for the slots of one CPU.
const SPREAD: [(u32, &str); 4] = [
    (1_000, "all hits"),
    (10_000, "one in three hits, the others are logged"),
    (50_000, "one in twelve hits"),
    (16_000_000, "nearly all are logged"),
];

/// Something that is measured.
struct Case {
    name: String,
    program: OwnedFd,
    frame: Vec<u8>,
    /// Changes the source before the program runs.
    generator: Option<Generator>,
    /// Forgets its sources, and empties its log, before each so many packets.
    forgets: Option<(Kernel, u32)>,
    /// What it returns.
    verdict: u32,
    /// By round, nanoseconds per packet.
    ns: Vec<f64>,
}

impl Case {
    fn new(name: impl Into<String>, program: OwnedFd, frame: &[u8]) -> Self {
        let (name, frame) = (name.into(), frame.to_vec());
        Self { name, program, frame, generator: None, forgets: None, verdict: PASS as u32, ns: Vec::new() }
    }

    fn from(self, sources: Addresses) -> Result<Self> {
        self.varying(SOURCE, sources)
    }

    /// With other addresses at a place in the frame.
    fn varying(mut self, place: i16, addresses: Addresses) -> Result<Self> {
        let generator = Generator::load_at(place, addresses, Then::Run(self.program.as_fd()));
        self.generator = Some(generator.context("the generator")?);
        Ok(self)
    }

    fn measure(&mut self, repeat: u32, cpu: usize) -> Result<f64> {
        let program = self.generator.as_ref().map_or(self.program.as_fd(), Generator::program);
        let (mut left, mut used) = (repeat, 0.0);
        while left > 0 {
            let mut chunk = left;
            if let Some((kernel, packets)) = &mut self.forgets {
                kernel.forget_sources(cpu as u32);
                chunk = chunk.min(*packets);
            }
            let (verdict, _, time) = cpu::time(|| bpf::run(program, &self.frame, chunk));
            let verdict = verdict.with_context(|| format!("running {}", self.name))?;
            ensure!(verdict == self.verdict, "{}: verdict {verdict}", self.name);
            used += time.as_secs_f64();
            left -= chunk;
        }
        Ok(used / f64::from(repeat) * 1e9)
    }
}

/// Measures and prints.
///
/// # Errors
/// What the kernel refuses.
pub fn run(args: &Args, quick: bool) -> Result<()> {
    let Args { repeat, rounds } = if quick { &Args { repeat: 20_000, rounds: 2 } } else { args };
    let cpu = cpu::last();
    cpu::pin(cpu).context("pinning to a CPU")?;
    println!("pinned   to CPU {cpu}; {rounds} rounds of {} runs", count((*repeat).into()));

    let counting = Reference::load()?;
    let (mut alone, mut spread, mut sent) = (one_source(&counting)?, many_sources()?, what_is_sent()?);
    let mut blocks = blocks()?;
    // One round that does not count: keys are inserted, and memory is touched for the first time.
    for round in 0..=*rounds {
        for case in alone.iter_mut().chain(&mut spread).chain(&mut sent).chain(&mut blocks) {
            let ns = case.measure(*repeat, cpu)?;
            if round > 0 {
                case.ns.push(ns);
            }
        }
    }
    // A reference that counts less would be a cheap one.
    let runs = u64::from(*repeat) * (*rounds as u64 + 1);
    ensure!(counting.counted()? == (runs, runs), "the reference counted {:?} of {runs}", counting.counted()?);
    let [empty, reference] = [&alone[0], &alone[1]];
    print_alone(&alone, reference);
    print_spread(&spread, empty, reference);
    print_sent(&sent);
    print_blocks(&blocks);
    println!("\nThe goal is 3.50 with everything on.");
    Ok(())
}

fn loaded(parts: u32, capacity: Capacity) -> Kernel {
    sampled(Kernel::load_sized(parts, capacity))
}

fn sampled(mut kernel: Kernel) -> Kernel {
    kernel.set_sampling(SAMPLING);
    kernel
}

/// The empty program, the reference, then ours.
fn one_source(reference: &Reference) -> Result<Vec<Case>> {
    let tcp = Spec::v4(Transport::Tcp(40_000, 443, 0x10)).payload(6).frame();
    let udp = Spec::v4(Transport::Udp(40_000, 53)).payload(18).frame();
    let ours = |parts: u32| loaded(parts, SMALL).program(LinkLayer::Ethernet);
    let mut cases = vec![
        Case::new("an empty program", bpf::load_xdp(&assembly::empty())?, &tcp),
        Case::new("the reference", reference.program.try_clone()?, &tcp),
        Case::new("**everything on, IPv4/TCP**", ours(Part::EVERY), &tcp),
        Case::new("the same, each part asked about", ours(Part::EVERY | OF_NO_PART), &tcp),
    ];
    let hash = Kernel::load_hash(Part::EVERY, reference::SOURCES);
    cases.push(Case::new("everything on, in hash maps", sampled(hash).program(LinkLayer::Ethernet), &tcp));
    for part in Part::ALL {
        cases.push(Case::new(format!("without {}", part.label()), ours(Part::EVERY & !part.bit()), &tcp));
    }
    cases.push(Case::new("without all of these", ours(0), &tcp));
    let v6 = Spec::v6(Transport::Udp(40_000, 53));
    let udp6 = frames::udp_header(40_000, 53, 8);
    for (name, frame) in [
        ("IPv4/UDP", udp),
        ("IPv4/UDP, VLAN", Spec::v4(Transport::Udp(40_000, 53)).tags(&[(0x8100, 7)]).payload(18).frame()),
        ("IPv6/UDP", v6.frame()),
        ("IPv6/UDP, an extension header", frames::ipv6(0, &frames::extensions(&[0], 0, 17, &udp6))),
        ("ARP: not IP", frames::arp()),
    ] {
        cases.push(Case::new(name, ours(Part::EVERY), &frame));
    }
    let mut filtering = loaded(Part::EVERY, SMALL);
    let filter = FilterText { src: "10.0.0.0/8".into(), ..FilterText::default() };
    let filter = filter.parse().map_err(|error| anyhow!("the filter: {error}"))?;
    filtering.set_filter(filter.filter.as_deref());
    cases.push(Case::new("rejected by a filter of one prefix", filtering.program(LinkLayer::Ethernet), &tcp));
    let mut paused = loaded(Part::EVERY, SMALL);
    paused.set_paused(true);
    cases.push(Case::new("paused", paused.program(LinkLayer::Ethernet), &tcp));
    Ok(cases)
}

/// An empty classifier, then ours. The kernel prepares a buffer for each run, which costs more than an XDP frame.
fn what_is_sent() -> Result<Vec<Case>> {
    /// `TCX_NEXT` (linux/bpf.h).
    const NEXT: u32 = -1_i32 as u32;
    let tcp = Spec::v4(Transport::Tcp(443, 40_000, 0x18)).payload(1400).frame();
    let udp = Spec::v4(Transport::Udp(53, 40_000)).payload(18).frame();
    let udp6 = Spec::v6(Transport::Udp(53, 40_000)).frame();
    let empty = bpf::load_classifier(&assembly::empty())?;
    let ours = || EgressPrograms::load(SMALL).program(LinkLayer::Ethernet);
    let mut cases = vec![Case::new("an empty classifier", empty, &tcp)];
    for (name, frame) in [("IPv4/TCP, 1,400 bytes", tcp), ("IPv4/UDP", udp), ("IPv6/UDP", udp6)] {
        cases.push(Case { verdict: NEXT, ..Case::new(name, ours(), &frame) });
    }
    Ok(cases)
}

/// In fours: what changing the source costs alone, the reference, ours in hash maps and in slots. A miss has neither of the two between.
fn many_sources() -> Result<Vec<Case>> {
    let frame = Spec::v4(Transport::Tcp(40_000, 443, 0x10)).payload(6).frame();
    let empty = || Ok::<_, anyhow::Error>(Case::new("the generator", bpf::load_xdp(&assembly::empty())?, &frame));
    let hash = || {
        let mut kernel = sampled(Kernel::load_hash(Part::EVERY, reference::SOURCES));
        Case::new("in hash maps", kernel.program(LinkLayer::Ethernet), &frame)
    };
    let mut cases = Vec::new();
    for (sources, what) in SPREAD {
        let mut kernel = loaded(Part::EVERY, USUAL);
        let name = format!("{} sources: {what}", count(sources.into()));
        let ours = Case::new(name, kernel.program(LinkLayer::Ethernet), &frame).from(Addresses::Random(sources))?;
        cases.push(empty()?.from(Addresses::Random(sources))?);
        cases.push(Case::new("the reference", Reference::load()?.program, &frame).from(Addresses::Random(sources))?);
        cases.push(hash().from(Addresses::Random(sources))?);
        cases.push(Case { forgets: Some((kernel, TENTH)), ..ours });
    }
    // The program remembers where the newest destination is counted; here that does not help.
    let destinations = Addresses::Random(DESTINATIONS);
    let ours = loaded(Part::EVERY, USUAL).program(LinkLayer::Ethernet);
    let name = format!("1 source, {} destinations: all hits", count(DESTINATIONS.into()));
    cases.push(empty()?.varying(DESTINATION, destinations)?);
    cases.push(Case::new("the reference", Reference::load()?.program, &frame).varying(DESTINATION, destinations)?);
    cases.push(hash().varying(DESTINATION, destinations)?);
    cases.push(Case::new(name, ours, &frame).varying(DESTINATION, destinations)?);
    // More than are ever known at once.
    let sources = Addresses::InTurn(1 << 24);
    let mut kernel = loaded(Part::EVERY, USUAL);
    let mut new =
        Case::new("every source new: all misses", kernel.program(LinkLayer::Ethernet), &frame).from(sources)?;
    new.forgets = Some((kernel, NEW));
    cases.extend([empty()?.from(sources)?, new]);
    Ok(cases)
}

/// The generator, ours without blocks, and with so many, of which no source is one; then with a source that is.
fn blocks() -> Result<Vec<Case>> {
    const SOURCES: u32 = 50_000;
    let frame = Spec::v4(Transport::Tcp(40_000, 443, 0x10)).payload(6).frame();
    let generator = Case::new("the generator", bpf::load_xdp(&assembly::empty())?, &frame);
    let mut cases = vec![generator.from(Addresses::Random(SOURCES))?];
    for (name, addresses, prefixes) in [
        ("no blocks", 0, &[][..]),
        ("1,000 addresses, a miss", 1_000, &[]),
        ("10,000 addresses, a miss", 10_000, &[]),
        ("1,000 addresses and prefixes of one length, a miss", 1_000, &["240.0.0.0/24"]),
        (
            "1,000 addresses and prefixes of four lengths, a miss",
            1_000,
            &["240.0.0.0/24", "240.1.0.0/20", "240.2.0.0/16", "240.3.0.0/28"],
        ),
    ] {
        let mut kernel = loaded(Part::EVERY, USUAL);
        block(&mut kernel, addresses, prefixes)?;
        let case = Case::new(name, kernel.program(LinkLayer::Ethernet), &frame).from(Addresses::Random(SOURCES))?;
        cases.push(Case { forgets: Some((kernel, TENTH)), ..case });
    }
    let mut kernel = loaded(Part::EVERY, USUAL);
    block(&mut kernel, 1_000, &["0.0.0.0/1", "128.0.0.0/1"])?;
    let case = Case::new(
        "1,000 addresses and two prefixes of all there is: dropped",
        kernel.program(LinkLayer::Ethernet),
        &frame,
    );
    cases.push(Case { verdict: DROP, ..case.from(Addresses::Random(SOURCES))? });
    Ok(cases)
}

fn block(kernel: &mut Kernel, addresses: u32, prefixes: &[&str]) -> Result<()> {
    // None of them is sent by the generator.
    let addresses = (0..addresses).map(|at| Net::from(IpAddr::from(Ipv4Addr::from_bits(0xf800_0000 + at * 977))));
    let prefixes = prefixes.iter().filter_map(|text| text.parse().ok());
    addresses.chain(prefixes).try_for_each(|net: Net| kernel.block(net.key(), u64::MAX).map(drop))
}

fn print_blocks(cases: &[Case]) {
    println!(
        "\nBlocks, with another one of 50,000 sources in each packet; what it costs to write that into the frame is subtracted."
    );
    let mut table = MarkdownTable::new(&["blocks", "ns per packet", "over no blocks"]);
    let net =
        |case: &Case| -> Vec<f64> { case.ns.iter().zip(&cases[0].ns).map(|(ns, generator)| ns - generator).collect() };
    let Some(none) = cases.get(1).map(net) else { return };
    for case in &cases[1..] {
        let ours = net(case);
        let over: Vec<_> = ours.iter().zip(&none).map(|(ns, none)| ns - none).collect();
        table.row([case.name.clone(), format!("{:.1}", median(&ours)), format!("{:+.1}", median(&over))]);
    }
    table.print();
}

fn print_alone(cases: &[Case], reference: &Case) {
    println!(
        "\nThe reference parses Ethernet and IPv4 and adds to one per-CPU hash ({} sources, 16-byte keys) and one per-CPU array.",
        count(reference::SOURCES.into())
    );
    let mut table = MarkdownTable::new(&["one source", "ns per packet", "of the reference"]);
    for case in cases {
        let of_reference: Vec<_> = case.ns.iter().zip(&reference.ns).map(|(ns, reference)| ns / reference).collect();
        table.row([case.name.clone(), format!("{:.1}", median(&case.ns)), ratio(median(&of_reference))]);
    }
    table.print();
}

fn print_sent(cases: &[Case]) {
    println!("\nWhat is sent, to one remote address; a buffer that the interface cuts up counts once.");
    let mut table = MarkdownTable::new(&["what is sent", "ns per buffer", "over an empty classifier"]);
    for case in cases {
        let over: Vec<_> = case.ns.iter().zip(&cases[0].ns).map(|(ns, empty)| ns - empty).collect();
        table.row([case.name.clone(), format!("{:.1}", median(&case.ns)), format!("{:.1}", median(&over))]);
    }
    table.print();
}

fn print_spread(cases: &[Case], empty: &Case, alone: &Case) {
    println!(
        "\nWith another address in each packet; what it costs to write that into the frame is subtracted. The hash maps are as large as the reference's."
    );
    let mut table = MarkdownTable::new(&[
        "many sources",
        "reference, ns",
        "nettop, ns",
        "of the reference",
        "in hash maps, ns",
        "of the reference",
    ]);
    // The loop is in both, and must stay in one.
    let net = |case: &Case, generator: &Case| -> Vec<f64> {
        let rounds = case.ns.iter().zip(&generator.ns).zip(&empty.ns);
        rounds.map(|((ns, generator), empty)| ns - generator + empty).collect()
    };
    for group in cases.chunks(4) {
        let ours = group.last().map(|case| (case.name.clone(), net(case, &group[0])));
        let Some((name, ours)) = ours else { continue };
        let (reference, note, hash) = match group {
            [generator, reference, hash, _] => (net(reference, generator), "", Some(net(hash, generator))),
            _ => (alone.ns.clone(), " (a hit)", None),
        };
        let of_reference = |ours: &[f64]| {
            let ratios: Vec<_> = ours.iter().zip(&reference).map(|(ns, reference)| ns / reference).collect();
            ratio(median(&ratios))
        };
        let ns = |values: &[f64]| format!("{:.1}", median(values));
        let of_hash = hash.map_or(["–".into(), "–".into()], |hash| [ns(&hash), of_reference(&hash)]);
        let [hash, hash_of_reference] = of_hash;
        let told = format!("{}{note}", ns(&reference));
        table.row([name, told, ns(&ours), of_reference(&ours), hash, hash_of_reference]);
    }
    table.print();
}
