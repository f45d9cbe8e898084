//! How connection tracking is set, and how full it is: numbers of `/proc`. Files are opened once, and read anew from their beginning.

use std::{collections::BTreeSet, fs::File, path::Path};

use super::{reading::FlowSettings, states};
use crate::whole_file;

const FOLDER: &str = "/proc/sys/net/netfilter";
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
const FORWARDING: [&str; 2] = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];
const STATISTICS: &str = "/proc/net/stat/nf_conntrack";
/// Bytes that are read of a file at most: the statistics have 150 for each CPU.
const MOST: usize = 64 << 10;

/// The open files; one is missing where the kernel has no such setting.
pub struct Settings {
    count: File,
    /// What of [`FlowSettings`] each says.
    one_by_one: Vec<(&'static str, File)>,
    timeouts: Vec<(&'static str, File)>,
    forwarding: Vec<File>,
    statistics: Option<File>,
    buffer: Vec<u8>,
}

impl Settings {
    /// Opens them; `None`: this kernel does not keep track of connections.
    pub fn open() -> Option<Self> {
        let open = |name: &'static str| {
            let path = Path::new(FOLDER).join(format!("nf_conntrack_{name}"));
            File::open(path).ok().map(|file| (name, file))
        };
        let timeouts: BTreeSet<_> = states::timeouts().collect();
        Some(Self {
            count: File::open(COUNT).ok()?,
            one_by_one: ["max", "acct", "timestamp", "events"].into_iter().filter_map(open).collect(),
            timeouts: timeouts.into_iter().filter_map(open).collect(),
            forwarding: FORWARDING.iter().filter_map(|path| File::open(path).ok()).collect(),
            statistics: File::open(STATISTICS).ok(),
            buffer: Vec::new(),
        })
    }

    /// What they say now.
    pub fn read(&mut self) -> FlowSettings {
        let Self { count, one_by_one, timeouts, forwarding, statistics, buffer } = self;
        let mut number = |file: &File| text(file, buffer).trim().parse::<u64>().ok();
        let mut settings = FlowSettings { count: number(count), ..FlowSettings::default() };
        for (name, file) in one_by_one {
            let value = number(file);
            match *name {
                "max" => settings.max = value,
                "acct" => settings.acct = value.map(|value| value != 0),
                "timestamp" => settings.timestamp = value.map(|value| value != 0),
                _ => settings.events = value.map(|value| value != 0),
            }
        }
        settings.forwards = forwarding.iter().any(|file| number(file).is_some_and(|value| value != 0));
        let seconds = |(name, file): &(&'static str, File)| {
            let value = number(file).and_then(|value| u32::try_from(value).ok());
            value.map(|value| ((*name).to_string(), value))
        };
        settings.timeouts = timeouts.iter().filter_map(seconds).collect();
        let statistics = statistics.as_ref().map(|file| text(file, buffer));
        let sum = |name| statistics.as_deref().and_then(|text| column(text, name));
        (settings.dropped, settings.evicted) = (sum("drop"), sum("early_drop"));
        settings
    }
}

/// What a file says, as far as it can be read.
fn text(file: &File, buffer: &mut Vec<u8>) -> String {
    // What was read by then is in the buffer.
    let _ = whole_file::read(file, buffer, MOST);
    String::from_utf8_lossy(buffer).into_owned()
}

/// The sum of a column of hexadecimal numbers over all CPUs: a line of names, then a line for each.
fn column(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines();
    let at = lines.next()?.split_whitespace().position(|one| one == name)?;
    lines.map(|line| u64::from_str_radix(line.split_whitespace().nth(at)?, 16).ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_their_names_and_summed_over_cpus() {
        let usual = "entries  clashres found insert_failed drop early_drop\n00000003 0 0 0 0000000a 1\n00000003 0 0 0 00000010 2\n";
        for (name, text, column_name, expected) in [
            ("as it is", usual, "drop", Some(26)),
            ("another", usual, "early_drop", Some(3)),
            ("none of that name", usual, "lost", None),
            ("a line that was cut", "entries drop\n3 1\n3\n", "drop", None),
            ("no number", "drop\nmany\n", "drop", None),
            ("no CPU", "drop\n", "drop", Some(0)),
            ("nothing", "", "drop", None),
        ] {
            assert_eq!(column(text, column_name), expected, "{name}");
        }
    }

    #[test]
    fn this_host_tells_where_it_keeps_track() {
        // Without the module there is nothing to tell.
        let Some(mut settings) = Settings::open() else { return };
        let found = settings.read();
        assert!(found.count.is_some() && found.max.is_some(), "{found:?}");
        let established = found.timeouts.get("tcp_timeout_established");
        assert!(established.is_some_and(|seconds| *seconds > 0), "{found:?}");
    }
}
