//! Who is found in a flood of forged sources: twenty that send more than the others, and a quiet one that begins meanwhile. And how
//! soon all is as before when it is over.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nettop_tests::{
    frames::{Spec, Transport},
    monitor::Monitor,
    net::Net,
    send::Sender,
};
use serde_json::{Value, json};

use crate::{
    cpu,
    generator::{Addresses, Generator, HEAVY_BASE, Then},
    process,
    rig::{self, IN, OUT},
    table::{MarkdownTable, count},
    truth::Truth,
};

/// Who is found in a flood of forged sources
#[derive(Clone, clap::Args)]
pub struct Args {
    /// How many forged source addresses, drawn at random
    #[arg(long, default_value_t = 16_000_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sources: u32,
    /// Frames
    #[arg(long, default_value_t = 25_000_000, value_name = "N")]
    frames: u64,
}

/// Sources that send more, each one frame in two hundred.
const HEAVY: u32 = 20;
const OF: u32 = 200;
const QUIET: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
/// Between its packets: five in a second.
const PAUSE: Duration = Duration::from_millis(200);
/// It begins so many ticks after the flood.
const QUIET_FROM: u64 = 3;
/// Seconds between ticks.
const INTERVAL: f64 = 1.0;
/// Ticks until the rates must have fallen.
const MOST_TICKS: u64 = 10;
/// Between questions to the monitor.
const LOOK: Duration = Duration::from_millis(50);

/// After how many ticks something was seen first; the first tick after it began is 1.
#[derive(Default)]
struct Seen {
    heavy: Option<u64>,
    quiet: Option<u64>,
    quiet_among_the_top: Option<u64>,
    calm: Option<u64>,
    most_pps: f64,
}

/// Measures and prints.
///
/// # Errors
/// What the kernel refuses; packets that were received and not counted.
pub fn run(args: &Args, quick: bool) -> Result<()> {
    let args = if quick { Args { sources: 10_000, frames: 300_000 } } else { args.clone() };
    let sources = Addresses::Hidden { random: args.sources, heavy: HEAVY, of: OF };
    let generator = Generator::load(sources, Then::Send).context("the generator")?;
    let net = Net::new(1);
    let monitor = rig::start_nettop(&net, 1, INTERVAL, "");
    let truth = Truth::begin(&net.receiver, IN, HEAVY).context("the socket that counts")?;
    let (seen, quiet_sent, took) = watch(&net, &monitor, &generator, args.frames)?;

    let last = monitor.command(&json!({"cmd": "snapshot", "limit": 0}))["snapshot"].take();
    let received = net.receiver.received(IN);
    let counted = rig::packets(&last, "seen");
    let heavy: Vec<_> = (0..HEAVY).map(|heavy| truth.count(heavy)).collect::<Result<_, _>>()?;
    let errors = heavy.iter().enumerate().map(|(number, truth)| {
        let told =
            row(&last, heavy_address(number as u32)).map_or(0, |row| row["packets"].as_u64().unwrap_or_default());
        (told as f64 / *truth as f64 - 1.0).abs() * 100.0
    });
    let error = errors.fold(0.0, f64::max);
    let all_heavy: u64 = heavy.iter().sum();
    let distinct =
        distinct(args.sources, received - all_heavy) + f64::from(HEAVY) + f64::from(u8::from(quiet_sent > 0));
    let unique = last["unique_ips"].as_u64().unwrap_or_default();

    println!(
        "flood    {} frames in {took:.1} s, of {} sources; {HEAVY} others send one in {OF} each; {} a second from a quiet one later",
        count(args.frames),
        count(args.sources.into()),
        1000 / PAUSE.as_millis()
    );
    println!(
        "received {} of {} sent; counted {}, untracked {}, evicted {}; the accounts {}",
        count(received),
        count(args.frames + quiet_sent),
        count(counted),
        count(rig::packets(&last, "untracked")),
        count(rig::packets(&last, "evicted")),
        if last["accounting"]["holds"] == true { "balance" } else { "DO NOT balance" }
    );
    let mut table = MarkdownTable::new(&["what", "measured", "goal"]);
    let ticks = |ticks: Option<u64>| ticks.map_or("never".into(), |ticks| format!("{ticks} ticks"));
    let mut line = |what: &str, measured: String, goal: &str| table.row([what.into(), measured, goal.into()]);
    line("the twenty are the top twenty after", ticks(seen.heavy), "3");
    line("largest error of their counts", format!("{error:.4} %"), "1 %");
    line("distinct sources, of the expected", format!("{:+.2} %", (unique as f64 / distinct - 1.0) * 100.0), "1 %");
    line("the quiet source is listed (limit 0) after", ticks(seen.quiet), "3");
    line("it is among the top 1,000 after", ticks(seen.quiet_among_the_top), "");
    line("packets of it sent", count(quiet_sent), "");
    line("packets of it in its row", row(&last, QUIET).map_or("none".into(), |row| row["packets"].to_string()), "");
    line("packets per second, at most", count(seen.most_pps as u64), "");
    line("under 1 % of that after the flood, after", ticks(seen.calm), "3");
    line("late ticks", format!("{} of {}", rig::late_ticks(&last), rig::ticks(&last)), "0");
    let (resident, most) = (process::memory(monitor.pid(), "VmRSS")?, process::memory(monitor.pid(), "VmHWM")?);
    line("RSS (at most) with listings of every source, MiB", format!("{resident:.0} ({most:.0})"), "128");
    table.print();
    println!(
        "\nThe truth of a count is that of a socket filter at the receiving interface; of distinct sources, what so many"
    );
    println!("random draws are expected to bring. A tick is {INTERVAL} s; the first after the beginning is 1.");
    if counted != received || last["accounting"]["holds"] != true {
        bail!("not every packet received was counted, or the accounts do not balance");
    }
    Ok(())
}

/// Floods, and looks at every tick until the rates have fallen again. Returns also how many packets the quiet source sent, and
/// how many seconds the flood took.
fn watch(net: &Net, monitor: &Monitor, generator: &Generator, frames: u64) -> Result<(Seen, u64, f64)> {
    let mut seen = Seen::default();
    let twenty: BTreeSet<_> = (0..HEAVY).map(|heavy| heavy_address(heavy).to_string()).collect();
    let frame = rig::frame();
    let quiet_frame = Spec::between(QUIET.into(), [192, 0, 2, 9].into(), Transport::Tcp(5, 22, 0x02)).frame();
    let over = AtomicBool::new(false);
    let (over, started) = (&over, AtomicBool::new(false));
    let started = &started;
    let begin = rig::ticks(&monitor.snapshot());
    thread::scope(|scope| {
        let flood = scope.spawn(move || {
            let sent = cpu::pin(cpu::last()).and_then(|()| generator.send((&net.sender, OUT), &frame, frames));
            over.store(true, Ordering::Relaxed);
            sent
        });
        let quiet = scope.spawn(move || {
            let sender = Sender::new(&net.sender, OUT);
            let mut sent = 0;
            while !over.load(Ordering::Relaxed) {
                if started.load(Ordering::Relaxed) {
                    sender.send(&quiet_frame, 1);
                    sent += 1;
                }
                thread::sleep(PAUSE);
            }
            sent
        });
        let (mut newest, mut quiet_begin, mut end) = (begin, None, None);
        loop {
            thread::sleep(LOOK);
            let snapshot = monitor.snapshot();
            let tick = rig::ticks(&snapshot);
            if end.is_none() && over.load(Ordering::Relaxed) {
                end = Some(tick);
            }
            if tick == newest {
                continue;
            }
            newest = tick;
            let pps = snapshot["current_pps"].as_f64().unwrap_or_default();
            seen.most_pps = seen.most_pps.max(pps);
            if seen.heavy.is_none() && top(&snapshot, HEAVY as usize) == twenty {
                seen.heavy = Some(tick - begin);
            }
            if let Some(quiet_begin) = quiet_begin {
                look_for_the_quiet(&mut seen, monitor, &snapshot, tick - quiet_begin);
            } else if tick >= begin + QUIET_FROM && end.is_none() {
                quiet_begin = Some(tick);
                started.store(true, Ordering::Relaxed);
            }
            if let Some(end) = end {
                if seen.calm.is_none() && tick > end && pps < seen.most_pps / 100.0 {
                    seen.calm = Some(tick - end);
                }
                if seen.calm.is_some() || tick > end + MOST_TICKS {
                    break;
                }
            }
        }
        let took =
            flood.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).context("sending the flood")?;
        let sent = quiet.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((seen, sent, took.0.as_secs_f64()))
    })
}

fn look_for_the_quiet(seen: &mut Seen, monitor: &Monitor, snapshot: &Value, ticks: u64) {
    if seen.quiet.is_none() {
        let whole = monitor.command(&json!({"cmd": "snapshot", "limit": 0}))["snapshot"].take();
        if row(&whole, QUIET).is_some() {
            seen.quiet = Some(ticks);
        }
    }
    if seen.quiet_among_the_top.is_none() && row(snapshot, QUIET).is_some() {
        seen.quiet_among_the_top = Some(ticks);
    }
}

fn heavy_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(HEAVY_BASE.to_bits() + number)
}

fn rows(snapshot: &Value) -> impl Iterator<Item = &Value> {
    snapshot["ips"].as_array().into_iter().flatten()
}

fn row(snapshot: &Value, address: Ipv4Addr) -> Option<&Value> {
    let address = address.to_string();
    rows(snapshot).find(|row| row["ip"] == address.as_str())
}

/// The addresses of the first rows.
fn top(snapshot: &Value, count: usize) -> BTreeSet<String> {
    rows(snapshot).take(count).filter_map(|row| Some(row["ip"].as_str()?.to_owned())).collect()
}

/// How many of `sources` are drawn at least once in `draws`.
fn distinct(sources: u32, draws: u64) -> f64 {
    let sources = f64::from(sources);
    sources * -(-(draws as f64) / sources).exp_m1()
}
