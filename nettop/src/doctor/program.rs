//! The kernel program: whether it loads, and what it takes.

use std::fs;

use super::Finding;
use crate::{config, source::xdp};

/// CPUs that could be there.
pub fn cpus() -> Finding {
    match aya::util::nr_cpus() {
        Ok(1) => Finding::good("1 possible"),
        Ok(cpus) => Finding::good(format!("{cpus} possible; each has a part of the maps for itself")),
        Err((path, error)) => Finding::Unknown(format!("{path}: {error}")),
    }
}

/// The default budget of the maps beside the memory that is free.
pub fn memory() -> Finding {
    let budget = xdp::default_budget() >> 20;
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = text.lines().find_map(|line| {
        let kibibytes = line.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB")?;
        Some(kibibytes.trim().parse::<u64>().ok()? >> 10)
    });
    match available {
        Some(available) if available < budget => Finding::missing(
            format!("the maps take {budget} MiB, and {available} MiB are available"),
            "give them less with --map-memory",
        ),
        Some(available) => Finding::good(format!("{budget} MiB for the maps, of {available} MiB available")),
        None => Finding::Unknown("/proc/meminfo does not tell".into()),
    }
}

/// What it would read before it starts.
pub fn configuration() -> Finding {
    match config::check() {
        Ok(files) if files.is_empty() => Finding::good("no file; everything is as it usually is"),
        Ok(files) => {
            let paths: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
            Finding::good(format!("{}; `nettop config` tells what is in force", paths.join(", ")))
        }
        Err(error) => Finding::missing(error, "correct it, or do without (--no-config)"),
    }
}

/// Loads the program for real.
pub fn load() -> Finding {
    match xdp::try_load() {
        Ok(sources) => Finding::good(format!("the kernel accepts the program; room for {sources} sources at once")),
        Err(error) => Finding::failed(&error, "run with sudo"),
    }
}
