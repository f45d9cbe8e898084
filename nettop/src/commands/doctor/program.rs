//! The kernel program: whether it loads, and what it takes.

use std::fs;

use nettop_collect::{
    kernel::{self, Budget, DEFAULT_EVENT_RATE},
    privilege,
};
use nettop_process::memory::{self, mebibytes};

use super::Finding;
use crate::config;

/// CPUs that could be there.
pub fn cpus() -> Finding {
    match aya::util::nr_cpus() {
        Ok(1) => Finding::good("1 possible"),
        Ok(cpus) => Finding::good(format!("{cpus} possible; each has a part of the maps for itself")),
        Err((path, error)) => Finding::Unknown(format!("{path}: {error}")),
    }
}

/// What is planned for the maps, beside what control groups and the host allow.
pub fn memory() -> Finding {
    const REMEDY: &str = "give the maps less with --map-memory, or raise the limit";
    let budget = match Budget::now(None, DEFAULT_EVENT_RATE) {
        Ok(budget) => budget,
        Err(error) => return Finding::failed(&error, REMEDY),
    };
    let maps = mebibytes(budget.taken);
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = text.lines().find_map(|line| {
        let kibibytes = line.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB")?;
        Some(kibibytes.trim().parse::<u64>().ok()? << 10)
    });
    match (available, &budget.scarce, memory::tightest()) {
        (Some(available), ..) if available < budget.taken => Finding::missing(
            format!("the maps take {maps}, and {} are available", mebibytes(available)),
            "give them less with --map-memory",
        ),
        (_, Some(limit), _) => Finding::missing(
            format!(
                "{maps} for the maps and room for {} sources, less than usual: the control group allows {limit}",
                budget.sources
            ),
            "raise that limit, or choose --map-memory and --max-sources",
        ),
        (_, None, Some(limit)) => Finding::good(format!("{maps} for the maps; the control group allows {limit}")),
        (Some(available), None, None) => {
            Finding::good(format!("{maps} for the maps, of {} available", mebibytes(available)))
        }
        (None, None, None) => Finding::Unknown("/proc/meminfo does not tell".into()),
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
    match kernel::try_load() {
        Ok(sources) => Finding::good(format!("the kernel accepts the program; room for {sources} sources at once")),
        Err(error) => Finding::failed(
            &error,
            match privilege::hindrance() {
                Some(_) => "run with sudo",
                None => "please report it, with the output of nettop doctor --json",
            },
        ),
    }
}

/// Loads those at tracepoints for real.
pub fn tracepoints() -> Finding {
    const REMEDY: &str = "packets are counted all the same; see BTF and capabilities above";
    // The kernel's types are megabytes, which are looked through twice.
    match Budget::now(None, DEFAULT_EVENT_RATE) {
        Ok(Budget { scarce: None, .. }) => {}
        Ok(Budget { scarce: Some(limit), .. }) => {
            return Finding::Unknown(format!("not tried, since the control group allows {limit}"));
        }
        Err(_) => return Finding::Unknown("not tried, since there is too little memory".into()),
    }
    match kernel::try_tracepoints() {
        Ok(problems) if problems.is_empty() => Finding::good("the kernel accepts all of them"),
        Ok(problems) => Finding::missing(problems.join("; "), REMEDY),
        Err(error) => Finding::failed(&error, REMEDY),
    }
}
