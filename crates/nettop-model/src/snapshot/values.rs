//! Values that are shown as text.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::json::from_text;

/// A MAC address, shown in lower case with colons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([a, b, c, d, e, g]) = self;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = &'static str;

    /// Six bytes of two hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a MAC address is six bytes of two hexadecimal digits: 02:00:00:00:00:01";
        let mut mac = Self::default();
        let mut parts = text.split(':');
        for byte in &mut mac.0 {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit()));
            *byte = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or(WRONG)?;
        }
        if parts.next().is_none() { Ok(mac) } else { Err(WRONG) }
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// FIN SYN RST PSH ACK URG ECE CWR from the lowest bit, as RFC 9293 and RFC 3168 name the bits.
const LETTERS: &str = "FSRPAUEC";
const NO_FLAG: &str = "none";

/// A TCP flag byte, shown as one letter per flag from the lowest bit: `S`, `SA`, `PA`, …; `none` for no flag at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TcpFlags(pub u8);

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str(NO_FLAG);
        }
        LETTERS
            .chars()
            .enumerate()
            .filter(|(bit, _)| self.0 >> bit & 1 == 1)
            .try_for_each(|(_, letter)| f.write_char(letter))
    }
}

impl FromStr for TcpFlags {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == NO_FLAG {
            return Ok(Self(0));
        }
        let bit = |letter| LETTERS.find(letter).map(|at| 1 << at).ok_or(());
        text.chars().try_fold(0, |flags, letter| Ok(flags | bit(letter)?)).map(Self)
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
            assert_eq!(text.parse(), Ok(TcpFlags(flags)));
        }
    }

    #[test]
    fn macs_are_lower_case_with_colons() {
        let (mac, text) = (Mac([0, 0x1b, 0x2c, 0xff, 0, 9]), "00:1b:2c:ff:00:09");
        assert_eq!((mac.to_string().as_str(), text.parse()), (text, Ok(mac)));
        for text in ["", "00:1b:2c:ff:00", "00:1b:2c:ff:00:09:00", "00:1b:2c:ff:00:+9", "00:1b:2c:ff:00:é"] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
