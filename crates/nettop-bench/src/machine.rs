//! On what machine, and when: without it no figure means anything.

use std::{env, fs};

use time::{OffsetDateTime, macros::format_description};

/// Prints the machine, the command and the date.
pub fn print() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    println!("machine  {}, {} CPUs, Linux {}", processor(), cpus(), file("/proc/sys/kernel/osrelease"));
    println!("command  cargo xtask bench {}", arguments.join(" "));
    println!("date     {}, load {}", date(), file("/proc/loadavg").split(' ').next().unwrap_or("unknown"));
    if cfg!(debug_assertions) {
        println!("\nThis build is not optimised: figures of user space mean nothing.");
    }
}

fn processor() -> String {
    let model =
        |line: &str| line.strip_prefix("model name").map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    file("/proc/cpuinfo").lines().find_map(model).unwrap_or_else(|| env::consts::ARCH.to_owned())
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

fn date() -> String {
    let now = OffsetDateTime::now_utc();
    now.format(format_description!("[year]-[month]-[day] [hour]:[minute] UTC")).unwrap_or_else(|_| now.to_string())
}

fn file(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}
