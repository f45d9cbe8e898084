//! What the host can still take while it is watched: a flood of real frames at full speed from forged sources.

use anyhow::{Context as _, Result};

use crate::{
    generator::{Addresses, Generator, SOURCE, SOURCE_V6, Then},
    rig,
    rounds::Flood,
    throughput::{self, Case},
};

/// What the host can still take while it is watched in a flood
#[derive(Clone, clap::Args)]
pub struct Args {
    /// How many source addresses, drawn at random
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1_000, 50_000, 16_000_000], value_name = "LIST",
        value_parser = clap::value_parser!(u32).range(1..))]
    sources: Vec<u32>,
    /// IPv6: each source is of a /48 of its own, 65,536 of them of a /32
    #[arg(long)]
    ipv6: bool,
    /// Of a hundred frames about so many come from twenty other sources
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=99))]
    hot: Option<u32>,
    #[command(flatten)]
    plan: throughput::Plan,
}

/// Sources that send more than the others, with `--hot`.
const HOT: u32 = 20;

/// Measures and prints.
///
/// # Errors
/// What the kernel refuses; packets that were received and not counted.
pub fn run(args: &Args, quick: bool) -> Result<()> {
    let mut args = args.clone();
    if quick {
        args.plan.quick();
        args.sources = vec![1_000, 16_000_000];
    }
    let cases = args.sources.iter().map(|sources| case(*sources, &args));
    throughput::measure("sources", cases, &args.plan)?;
    println!(
        "\nMust: counted = received, no late tick, RSS at most 128 MiB, a ratio of 0.88 whatever the number of sources."
    );
    Ok(())
}

fn case(sources: u32, Args { ipv6, hot, plan, .. }: &Args) -> Result<Case> {
    let (place, frame) = if *ipv6 { (SOURCE_V6, rig::frame_v6()) } else { (SOURCE, rig::frame()) };
    let which = match hot {
        None => Addresses::Random(sources),
        Some(percent) => Addresses::Hidden { random: sources, heavy: HOT, of: HOT * 100 / percent },
    };
    let generator = Generator::load_at(place, which, Then::Send).context("the generator")?;
    Ok((sources, Flood { generator, frame, frames: plan.frames, cpus: plan.cpus.into() }))
}
