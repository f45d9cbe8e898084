//! What the quiet monitor costs: with its screen, with the geographic data loaded, and with nothing to count.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result};
use nettop_tests::net::Net;

use crate::{
    cpu, process,
    rig::{self, IN},
    table::MarkdownTable,
};

/// What the quiet monitor costs
#[derive(Clone, clap::Args)]
pub struct Args {
    /// Seconds between ticks
    #[arg(long, value_delimiter = ',', default_values_t = [1.0, 0.1], value_name = "LIST")]
    intervals: Vec<f64>,
    /// Measure for so many seconds
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    seconds: f64,
}

/// Until everything is loaded.
const SETTLING: Duration = Duration::from_secs(3);

/// Measures and prints.
///
/// # Errors
/// The monitor has ended.
pub fn run(args: &Args, quick: bool) -> Result<()> {
    let args = if quick { Args { intervals: vec![0.1], seconds: 0.5 } } else { args.clone() };
    let (columns, rows) = rig::TERMINAL;
    println!(
        "nettop   release build, its screen on a pseudo-terminal of {columns} x {rows} that is read, on a quiet veth pair"
    );
    let mut table = MarkdownTable::new(&[
        "ticks, s",
        "CPU %",
        "RSS MiB",
        "of that the heap",
        "files and BPF maps",
        "shared memory",
        "RSS at most",
    ]);
    for interval in &args.intervals {
        let net = Net::new(1);
        let monitor = rig::start_nettop(&net, 1, *interval, "");
        thread::sleep(if quick { Duration::ZERO } else { SETTLING });
        let pid = monitor.pid();
        let used = || cpu::used_by(pid).context("the monitor's CPU time");
        let before = used()?;
        let window = Duration::from_secs_f64(args.seconds);
        thread::sleep(window);
        let percent = (used()?.saturating_sub(before)).as_secs_f64() / window.as_secs_f64() * 100.0;
        let mut cells = vec![interval.to_string(), format!("{percent:.2}")];
        for line in ["VmRSS", "RssAnon", "RssFile", "RssShmem", "VmHWM"] {
            cells.push(format!("{:.1}", process::memory(pid, line)?));
        }
        table.row(cells);
        let received = net.receiver.received(IN);
        anyhow::ensure!(received == 0, "{received} packets came: it was not quiet");
    }
    table.print();
    println!("\nGoals: at most 0.5 % of one CPU at 1 s; RSS at most 36 MiB, with everything on.");
    Ok(())
}
