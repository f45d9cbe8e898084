//! `cargo xtask bench …`: what nettop costs. Every figure stands beside a floor or a reference of the same run, since the
//! figures of two machines, or of two hours, cannot be compared.
//!
//! Everything happens in network namespaces of its own. BENCHMARKS.md says what each benchmark measures.

mod assembly;
mod carpet;
mod cost;
mod cpu;
mod flood;
mod floor;
mod generator;
mod growing;
mod heap;
mod hitters;
mod idle;
mod logs;
mod machine;
mod peer;
mod process;
mod reference;
mod rig;
mod rounds;
mod sockets;
mod start;
mod table;
mod throughput;
mod tick;
mod truth;
mod web;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use nettop_tests::skip;

/// Measure what nettop costs, as root
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Cli {
    #[command(subcommand)]
    benchmark: Benchmark,
    /// Only show that it works: the figures mean nothing
    #[arg(long, global = true)]
    quick: bool,
}

/// One row for each benchmark; its help line is the first line of its arguments' doc comment.
#[derive(Subcommand)]
enum Benchmark {
    Cost(cost::Args),
    Flood(flood::Args),
    Carpet(carpet::Args),
    Hitters(hitters::Args),
    Tick(tick::Args),
    Idle(idle::Args),
    Start(start::Args),
    Sockets(sockets::Args),
    Web(web::Args),
    Logs(logs::Args),
}

#[global_allocator]
static ALLOCATOR: heap::Counting = heap::Counting;

fn main() -> ExitCode {
    match measure(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(Cli { benchmark, quick }: &Cli) -> Result<()> {
    if let Some(reason) = skip::hindrance() {
        bail!("nothing can be measured here: {reason}");
    }
    machine::print();
    if *quick {
        println!("\n--quick: this only shows that it works; the figures mean nothing.");
    }
    match benchmark {
        Benchmark::Cost(args) => cost::run(args, *quick),
        Benchmark::Flood(args) => flood::run(args, *quick),
        Benchmark::Carpet(args) => carpet::run(args, *quick),
        Benchmark::Hitters(args) => hitters::run(args, *quick),
        Benchmark::Tick(args) => tick::run(args, *quick),
        Benchmark::Idle(args) => idle::run(args, *quick),
        Benchmark::Start(args) => start::run(args, *quick),
        Benchmark::Sockets(args) => sockets::run(args, *quick),
        Benchmark::Web(args) => web::run(args, *quick),
        Benchmark::Logs(args) => logs::run(args, *quick),
    }
}
