//! Measures what the location data cost: `cargo run --release -p nettop-geo --example bench [FILE…]`.
//!
//! It prints the time until the first answer, the time of a look-up, and the memory that is resident because of the
//! data. Given files, it measures them together with the embedded data, as `--location-db` would use them.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context as _, Result};
use nettop_geo::Watcher;

/// Look-ups in each measurement.
const LOOK_UPS: usize = 1_000_000;
/// Measurements of each.
const ROUNDS: usize = 5;

fn main() -> Result<()> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let before = resident_kib()?;
    let start = Instant::now();
    let mut watcher = Watcher::open(&files)?;
    watcher.start()?;
    println!("ready after {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    while watcher.current().databases().len() <= files.len() && watcher.problems().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let geo = watcher.current();
    println!("all loaded after {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    println!("resident: {:.1} MiB more than before", (resident_kib()? - before) as f64 / 1024.0);
    for database in geo.databases() {
        println!("{database:?}");
    }
    for problem in watcher.problems() {
        println!("problem: {problem}");
    }

    let mut random = fastrand::Rng::with_seed(1);
    let v4 = addresses(|| IpAddr::V4(Ipv4Addr::from_bits(random.u32(0x0100_0000..0xe000_0000))));
    let mut random = fastrand::Rng::with_seed(1);
    // Where most networks are: 2a00::/12.
    let v6 = addresses(|| IpAddr::V6(Ipv6Addr::from_bits(0x2a0 << 116 | random.u128(..) >> 12)));
    for (name, addresses) in [("IPv4", v4), ("IPv6", v6)] {
        let mut rounds = Vec::new();
        let mut found = 0;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            found = addresses.iter().filter(|ip| black_box(geo.look_up(black_box(**ip))).asn != 0).count();
            rounds.push(start.elapsed().as_nanos() / LOOK_UPS as u128);
        }
        rounds.sort_unstable();
        println!(
            "{name}: {rounds:?} ns a look-up of random addresses, {}% of them in a network",
            found * 100 / LOOK_UPS
        );
    }
    Ok(())
}

fn addresses(mut next: impl FnMut() -> IpAddr) -> Vec<IpAddr> {
    (0..LOOK_UPS).map(|_| next()).collect()
}

/// The process's resident memory.
fn resident_kib() -> Result<i64> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
