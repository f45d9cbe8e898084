//! Sockets as files of `/proc/net` list them: the only list there is of those that ping(8) uses, and of raw sockets where the kernel has no
//! raw_diag. They have no cookie there.

use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use super::reading::{SocketProtocol, SocketRow};
use crate::whole_file;

/// Bytes that are read of a file at most: eight thousand sockets.
const MOST: usize = 1 << 20;

/// An open file: it is read after the sandbox was entered, too, and goes on being that of its network namespace.
pub struct ProcFile {
    path: String,
    file: io::Result<File>,
}

impl ProcFile {
    /// Opens the file of this name.
    pub fn open(name: &str) -> Self {
        let path = Path::new("/proc/thread-self/net").join(name);
        Self { file: File::open(&path), path: path.display().to_string() }
    }

    /// Reads it into `buffer`. One that is not there, as where IPv6 is off, is empty.
    ///
    /// # Errors
    /// In words. `buffer` has the lines that were read by then.
    pub fn read(&self, buffer: &mut Vec<u8>) -> Result<(), String> {
        buffer.clear();
        let file = match &self.file {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("{}: {error}", self.path)),
        };
        if whole_file::read(file, buffer, MOST).map_err(|error| format!("{}: {error}", self.path))? {
            return Ok(());
        }
        let whole_lines = buffer.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
        buffer.truncate(whole_lines);
        Err(format!("{} has more than {MOST} bytes", self.path))
    }
}

/// The sockets in a file's text, of which the first line has the heads of its columns.
pub fn rows(text: &[u8], protocol: SocketProtocol) -> impl Iterator<Item = SocketRow> {
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(move |line| row(line, protocol))
}

/// `0: 0100007F:0008 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 12345 2 0000000000000000 0`
fn row(line: &str, protocol: SocketProtocol) -> Option<SocketRow> {
    let mut words = line.split_ascii_whitespace();
    let mut next = || words.next();
    let _number = next()?;
    let ((local, local_port), (remote, remote_port)) = (end(next()?)?, end(next()?)?);
    let state = u8::from_str_radix(next()?, 16).ok()?;
    let (tx, rx) = next()?.split_once(':')?;
    let queue = |text: &str| u32::from_str_radix(text, 16).ok();
    let (_timer, _retransmits) = (next()?, next()?);
    let uid = next()?.parse().ok()?;
    let _timeout = next()?;
    let inode = next()?.parse().ok()?;
    let (_references, _pointer) = (next()?, next()?);
    let drops = next()?.parse().ok()?;
    Some(SocketRow {
        protocol,
        state,
        local,
        local_port,
        remote,
        remote_port,
        inode,
        uid,
        receive_queue: queue(rx)?,
        send_queue: queue(tx)?,
        drops,
        ..SocketRow::default()
    })
}

/// An address, whose words are numbers of this machine's byte order, and a port.
fn end(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let address = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words: [[u8; 4]; 4] = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = std::array::from_fn(|at| words[at / 4][at % 4]);
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some((address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "   12: 0100007F:0008 070200C0:0000 01 00000010:00000020 00:00000000 00000000  1000        0 77000 2 00000000deadbeef 17";
    const V6: &str = "    3: 00000000000000000000000001000000:1234 B80D0120000000000000000007000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 78000 2 0000000000000000 0";

    fn one(line: &str) -> Option<SocketRow> {
        rows(line.as_bytes(), SocketProtocol::Icmp).next()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_are_sockets() {
        let row = one(V4).expect("a socket");
        assert_eq!((row.local, row.local_port), ([127, 0, 0, 1].into(), 8));
        assert_eq!((row.remote, row.remote_port, row.state), ([192, 0, 2, 7].into(), 0, 1));
        assert_eq!((row.send_queue, row.receive_queue, row.uid, row.inode, row.drops), (16, 32, 1000, 77_000, 17));
        assert_eq!((row.cookie, row.protocol), (0, SocketProtocol::Icmp));
        let row = one(V6).expect("a socket");
        assert_eq!((row.local.to_string(), row.remote.to_string()), ("::1".into(), "2001:db8::7".into()));
    }

    #[test]
    fn what_is_no_line_of_a_socket_is_passed_over() {
        for (name, line) in [
            (
                "the heads",
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
            ),
            ("nothing", ""),
            ("an address of no length", &V4.replace("0100007F", "")),
            ("an address too long", &V4.replace("0100007F", "0100007F0")),
            ("an address of other letters", &V4.replace("0100007F", "é00007F")),
            ("no port", &V4.replace("0100007F:0008", "0100007F")),
            ("a port too large", &V4.replace(":0008", ":10008")),
            ("a signed state", &V4.replace(" 01 ", " -1 ")),
            ("an inode too large", &V4.replace("77000", "4294967296")),
        ] {
            assert_eq!(one(line), None, "{name}");
        }
        let text = [V4, "nonsense", V6, ""].join("\n");
        assert_eq!(rows(text.as_bytes(), SocketProtocol::Raw).count(), 2);
        let foreign = [V4.as_bytes(), b"\n\xff\xfe\n", V6.as_bytes()].concat();
        assert_eq!(rows(&foreign, SocketProtocol::Raw).count(), 2);
    }

    #[test]
    fn a_line_cut_anywhere_is_no_socket_or_has_other_drops() {
        for line in [V4, V6] {
            for length in 0..line.len() {
                let drops = line.rfind(' ').expect("a blank") + 1;
                assert_eq!(one(&line[..length]).is_some(), length > drops, "{length} bytes of {line}");
            }
        }
    }

    #[test]
    fn this_host_has_the_files() {
        let mut buffer = Vec::new();
        for (name, expected) in [("icmp", true), ("raw", true), ("protocols", true), ("not there", false)] {
            let file = ProcFile::open(name);
            for _ in 0..2 {
                assert_eq!((file.read(&mut buffer), buffer.is_empty()), (Ok(()), !expected), "{name}");
            }
        }
    }
}
