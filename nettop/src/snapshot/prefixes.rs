//! Sums over prefixes of source addresses.

use std::{fmt, net::IpAddr};

use serde::{Serialize, Serializer};

use super::{Amount, Others, Sums};

/// The leading bits that addresses have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The address of which all other bits are zero.
    pub ip: IpAddr,
    /// How many bits.
    pub length: u8,
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.length)
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One prefix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PrefixRow {
    /// Which.
    pub prefix: Prefix,
    /// What came from there, of packets whose source found a slot in the kernel.
    #[serde(flatten)]
    pub sums: Sums,
}

/// What the prefixes of one length leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PrefixRest {
    /// Prefixes that the list had no room for.
    #[serde(flatten)]
    pub others: Others,
    /// What came from prefixes that are not remembered.
    pub evicted: Amount,
}
