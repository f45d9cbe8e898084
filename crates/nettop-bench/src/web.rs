//! What the dashboard costs: the monitor, and the process of the dashboard, with none, one and sixteen who look, while many sources send.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nettop_tests::{
    monitor::Monitor,
    net::Net,
    web::{Client, Over},
};

use crate::{
    cpu,
    generator::{Addresses, Generator, Then},
    process,
    rig::{self, OUT},
    table::{MarkdownTable, count},
};

/// What the dashboard costs
#[derive(Clone, clap::Args)]
pub struct Args {
    /// Sources that send
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    sources: u32,
    /// Packets per second
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    pps: u64,
    /// How many look at once
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1, 16], value_name = "LIST")]
    clients: Vec<usize>,
    /// Measure for so many seconds
    #[arg(long, default_value_t = 20.0, value_name = "SECONDS")]
    seconds: f64,
}

/// Until every source has sent.
const SETTLING: Duration = Duration::from_secs(5);
/// Between two handfuls of packets.
const STEP: Duration = Duration::from_millis(50);
/// What each of them looks at.
const WISH: &str = r#"{"type":"view","name":"sources","limit":100,"every_ms":1000}"#;

/// Measures and prints.
///
/// # Errors
/// The monitor or the dashboard has ended, or nothing can be sent.
pub fn run(args: &Args, quick: bool) -> Result<()> {
    let args = match quick {
        true => Args { sources: 1_000, pps: 2_000, clients: vec![0, 2], seconds: 1.0 },
        false => args.clone(),
    };
    println!(
        "nettop   release build, without a screen, {} sources, {} packets per second; its dashboard as a process of its own\n\
         clients  WebSockets that take the pulse and 100 rows of the sources each second",
        count(args.sources.into()),
        count(args.pps)
    );
    let net = Net::new(1);
    let monitor = Monitor::live(&net.receiver, &format!("--interval 1 --iface {}", rig::IN));
    let generator = Generator::load(Addresses::InTurn(args.sources), Then::Send).context("the generator")?;
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| send(&net, &generator, args.pps, &ends));
        let measured = measure(&monitor, &args, quick);
        ends.store(true, Ordering::Relaxed);
        let sent = sender.join().unwrap_or_else(|_| anyhow::bail!("the sender has panicked"));
        measured.and(sent)
    })
}

/// Sends so many packets per second, until it ends.
fn send(net: &Net, generator: &Generator, pps: u64, ends: &AtomicBool) -> Result<()> {
    let (frame, started, mut sent) = (rig::frame(), Instant::now(), 0);
    while !ends.load(Ordering::Relaxed) {
        let due = (started.elapsed().as_secs_f64() * pps as f64) as u64;
        if due > sent {
            generator.send((&net.sender, OUT), &frame, due - sent).context("sending")?;
            sent = due;
        }
        thread::sleep(STEP);
    }
    Ok(())
}

fn measure(monitor: &Monitor, args: &Args, quick: bool) -> Result<()> {
    let mut table = MarkdownTable::new(&[
        "clients",
        "CPU of the monitor, %",
        "CPU of the dashboard, %",
        "RSS of the dashboard, MiB",
        "messages/s of a client",
        "kB/s of a client",
    ]);
    let window = Duration::from_secs_f64(args.seconds);
    let settle = || thread::sleep(if quick { Duration::ZERO } else { SETTLING });
    let percent = |used: Duration| format!("{:.2}", used.as_secs_f64() / window.as_secs_f64() * 100.0);
    settle();
    let used = |pid| cpu::used_by(pid).context("CPU time");
    let before = used(monitor.pid())?;
    thread::sleep(window);
    let alone = used(monitor.pid())?.saturating_sub(before);
    let none = || "–".to_string();
    table.row(["no dashboard".into(), percent(alone), none(), none(), none(), none()]);
    for clients in &args.clients {
        let over = Over::of(monitor.socket());
        let look = (0..*clients).map(|_| Looking::start(&over)).collect::<Result<Vec<_>>>()?;
        settle();
        let before = [used(monitor.pid())?, used(over.pid())?];
        let taken = || {
            look.iter().fold((0, 0), |(messages, bytes), one| {
                let (more, bytes_more) = one.taken();
                (messages + more, bytes + bytes_more)
            })
        };
        let (messages, bytes) = taken();
        thread::sleep(window);
        let now = [used(monitor.pid())?, used(over.pid())?];
        let (messages_now, bytes_now) = taken();
        let of_each = |all: u64| all as f64 / (*clients).max(1) as f64 / window.as_secs_f64();
        let [of_monitor, of_dashboard] = [0, 1].map(|at| percent(now[at].saturating_sub(before[at])));
        let rss = format!("{:.1}", process::memory(over.pid(), "VmRSS")?);
        let rate = |now: u64, before: u64, unit: f64| match clients {
            0 => none(),
            _ => format!("{:.1}", of_each(now - before) / unit),
        };
        let [messages, bytes] = [rate(messages_now, messages, 1.0), rate(bytes_now, bytes, 1e3)];
        table.row([clients.to_string(), of_monitor, of_dashboard, rss, messages, bytes]);
    }
    table.print();
    println!("\nGoals: one client costs the monitor at most 0.5 % of a CPU more, sixteen at most 2 %.");
    Ok(())
}

/// Somebody who looks, on a thread of its own.
struct Looking {
    taken: Arc<[AtomicU64; 2]>,
    ends: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Looking {
    fn start(over: &Over) -> Result<Self> {
        let Ok(mut client) = over.web.socket("/api/v1/stream") else { anyhow::bail!("no WebSocket is left") };
        client.send(WISH);
        let (taken, ends) = (Arc::new([const { AtomicU64::new(0) }; 2]), Arc::new(AtomicBool::new(false)));
        let (counts, until) = (taken.clone(), ends.clone());
        let thread = thread::spawn(move || read(&mut client, &counts, &until));
        Ok(Self { taken, ends, thread: Some(thread) })
    }

    /// Messages and bytes so far.
    fn taken(&self) -> (u64, u64) {
        let [messages, bytes] = &*self.taken;
        (messages.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed))
    }
}

fn read(client: &mut Client, [messages, bytes]: &[AtomicU64; 2], ends: &AtomicBool) {
    while !ends.load(Ordering::Relaxed) {
        let Ok(message) = client.socket.read() else { return };
        messages.fetch_add(1, Ordering::Relaxed);
        bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // It ends with the next message.
        self.thread.take().map(thread::JoinHandle::join);
    }
}
