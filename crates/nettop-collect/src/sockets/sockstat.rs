//! Numbers of sockets of which there is no list: what `/proc/net/sockstat` has, and the ports that the kernel chooses from.

use std::{fs::File, io, os::unix::fs::FileExt as _};

/// Bytes that are read at most: the file has some hundreds.
const MOST: usize = 4096;

/// The open file: it is read after the sandbox was entered, too.
pub struct Sockstat(io::Result<File>);

impl Sockstat {
    /// Opens it.
    pub fn open() -> Self {
        Self(File::open("/proc/net/sockstat"))
    }

    /// Orphans, and connections in TIME_WAIT: IPv6 is counted with IPv4.
    ///
    /// # Errors
    /// In words.
    pub fn read(&self) -> Result<(Option<u64>, Option<u64>), String> {
        let mut buffer = [0; MOST];
        let read = match &self.0 {
            Ok(file) => file.read_at(&mut buffer, 0).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let length = read.map_err(|error| format!("/proc/net/sockstat: {error}"))?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        Ok((of_tcp(&text, "orphan"), of_tcp(&text, "tw")))
    }
}

/// `TCP: inuse 5 orphan 0 tw 2 alloc 8 mem 1`.
fn of_tcp(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

/// The ports that the kernel chooses from for who asks for none.
pub fn ephemeral_ports() -> Option<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut words = text.split_whitespace().map(str::parse);
    Some((words.next()?.ok()?, words.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_names() {
        let usual = "sockets: used 123\nTCP: inuse 5 orphan 1 tw 2 alloc 8 mem 1\nUDP: inuse 2 mem 0\n";
        for (text, name, expected) in [
            (usual, "orphan", Some(1)),
            (usual, "tw", Some(2)),
            (usual, "new", None),
            ("TCP: tw x", "tw", None),
            ("TCP: tw", "tw", None),
            ("UDP: tw 3", "tw", None),
            ("", "tw", None),
        ] {
            assert_eq!(of_tcp(text, name), expected, "{name} {text:?}");
        }
    }

    #[test]
    fn this_host_tells() {
        let (orphans, time_wait) = Sockstat::open().read().expect("a file");
        assert!(orphans.is_some() && time_wait.is_some());
        assert!(ephemeral_ports().is_some_and(|(first, last)| first <= last));
    }
}
