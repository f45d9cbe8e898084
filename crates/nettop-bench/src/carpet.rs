//! The same in a carpet bombing: one source floods every address of a network.

use anyhow::{Context as _, Result};

use crate::{
    generator::{Addresses, DESTINATION, Generator, Then},
    rig,
    rounds::Flood,
    throughput::{self, Case},
};

/// What the host can still take while it is watched in a flood to many destinations
#[derive(Clone, clap::Args)]
pub struct Args {
    /// How many destination addresses, one behind the other, drawn at random
    #[arg(long, value_delimiter = ',', default_values_t = [65_536], value_name = "LIST",
        value_parser = clap::value_parser!(u32).range(1..))]
    destinations: Vec<u32>,
    #[command(flatten)]
    plan: throughput::Plan,
}

/// Measures and prints.
///
/// # Errors
/// What the kernel refuses; packets that were received and not counted.
pub fn run(args: &Args, quick: bool) -> Result<()> {
    let mut args = args.clone();
    if quick {
        args.plan.quick();
    }
    let cases = args.destinations.iter().map(|destinations| case(*destinations, &args.plan));
    throughput::measure("destinations", cases, &args.plan)?;
    println!("\nMust: counted = received, no late tick, RSS at most 128 MiB, a ratio of 0.88, as in any flood.");
    Ok(())
}

fn case(destinations: u32, plan: &throughput::Plan) -> Result<Case> {
    let generator = Generator::load_at(DESTINATION, Addresses::Random(destinations), Then::Send);
    let generator = generator.context("the generator")?;
    Ok((destinations, Flood { generator, frame: rig::frame(), frames: plan.frames, cpus: plan.cpus.into() }))
}
