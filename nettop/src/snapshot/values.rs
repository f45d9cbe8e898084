//! Values that are shown as text.

use std::fmt;

use serde::{Serialize, Serializer};

/// A MAC address, shown in lower case with colons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([a, b, c, d, e, g]) = self;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A TCP flag byte, shown as one letter per flag from the lowest bit: `S`, `SA`, `PA`, …; `none` for no flag at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TcpFlags(pub u8);

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // FIN SYN RST PSH ACK URG ECE CWR, as RFC 9293 and RFC 3168 name the bits.
        const LETTERS: [&str; 8] = ["F", "S", "R", "P", "A", "U", "E", "C"];
        if self.0 == 0 {
            return f.write_str("none");
        }
        LETTERS
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 >> bit & 1 == 1)
            .try_for_each(|(_, letter)| f.write_str(letter))
    }
}

impl Serialize for TcpFlags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_flags_read_like_the_classics() {
        for (flags, text) in
            [(0x02, "S"), (0x12, "SA"), (0x18, "PA"), (0x11, "FA"), (0x29, "FPU"), (0xff, "FSRPAUEC"), (0, "none")]
        {
            assert_eq!(TcpFlags(flags).to_string(), text);
        }
    }

    #[test]
    fn macs_are_lower_case_with_colons() {
        assert_eq!(Mac([0, 0x1b, 0x2c, 0xff, 0, 9]).to_string(), "00:1b:2c:ff:00:09");
    }
}
