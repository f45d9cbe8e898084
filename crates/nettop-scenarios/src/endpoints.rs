//! Who sends, to whom, by which ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use ipnet::IpNet;
use serde::Deserialize;

use crate::packet::trait_of;

/// Where addresses come from.
#[derive(Clone, Debug)]
pub enum Hosts {
    /// These.
    Some(Vec<IpAddr>),
    /// Another one for each packet, of any network.
    Forged {
        /// Of IPv6.
        ipv6: bool,
    },
    /// Another one for each packet, of this network.
    Within(IpNet),
}

impl Hosts {
    /// Reads `random` (public addresses of any networks), `forged`, addresses or a prefix. `count`: how many of them; of a prefix
    /// `None` means any of it.
    ///
    /// # Errors
    /// It is none of these.
    pub fn new(texts: &[String], count: Option<u32>, ipv6: bool, rng: &mut Rng) -> Result<Self> {
        if let [text] = texts {
            if text == "random" {
                return Ok(Self::Some((0..count.unwrap_or(1)).map(|_| public(ipv6, rng)).collect()));
            }
            if text == "forged" {
                return Ok(Self::Forged { ipv6 });
            }
            if let Ok(prefix) = text.parse::<IpNet>() {
                let Some(count) = count else { return Ok(Self::Within(prefix)) };
                // The first address is the network's own, and the next ones are mostly routers.
                return Ok(Self::Some((10..10 + count).map(|n| nth(prefix, u128::from(n))).collect()));
            }
        }
        let addresses: Result<Vec<IpAddr>> =
            texts.iter().map(|text| text.parse().with_context(|| format!("{text} is no address"))).collect();
        let addresses = addresses?;
        ensure!(!addresses.is_empty(), "no address");
        Ok(Self::Some(addresses))
    }

    /// The address of the `number`th packet. In order, each host has its turn; else some send more than others, as bots do.
    pub fn pick(&self, number: u64, in_order: bool, rng: &mut Rng) -> IpAddr {
        match self {
            Self::Some(hosts) if hosts.len() == 1 => hosts[0],
            Self::Some(hosts) if in_order => hosts[(number % hosts.len() as u64) as usize],
            Self::Some(hosts) => hosts[((rng.f64().powf(1.3)) * hosts.len() as f64) as usize],
            Self::Forged { ipv6 } => public(*ipv6, rng),
            // Of a prefix that nobody gets through one by one, the addresses are all over it.
            Self::Within(prefix) if in_order && is_small(*prefix) => nth(*prefix, u128::from(number)),
            Self::Within(prefix) => nth(*prefix, rng.u128(..)),
        }
    }

    /// How many there are; `None`: more than can be told.
    pub fn count(&self) -> Option<usize> {
        if let Self::Some(hosts) = self { Some(hosts.len()) } else { None }
    }
}

/// Whether it has no more addresses than are sent to in a few seconds.
fn is_small(prefix: IpNet) -> bool {
    const BITS: u8 = 16;
    prefix.max_prefix_len() - prefix.prefix_len() <= BITS
}

/// The nth address of a prefix, counted again from its first one behind its last one.
fn nth(prefix: IpNet, number: u128) -> IpAddr {
    match prefix {
        IpNet::V4(prefix) => {
            Ipv4Addr::from_bits(prefix.network().to_bits() | number as u32 & prefix.hostmask().to_bits()).into()
        }
        IpNet::V6(prefix) => {
            Ipv6Addr::from_bits(prefix.network().to_bits() | number & prefix.hostmask().to_bits()).into()
        }
    }
}

/// Any public address.
fn public(ipv6: bool, rng: &mut Rng) -> IpAddr {
    if ipv6 {
        // What the registries hand out of (RFC 7249): 2400::/12, 2600::/12, 2800::/12, 2a00::/12.
        let first = [0x2400, 0x2600, 0x2800, 0x2a00][rng.usize(..4)] | u128::from(rng.u16(..16));
        return Ipv6Addr::from_bits(first << 112 | u128::from(rng.u64(..)) << 48 | u128::from(rng.u32(..))).into();
    }
    loop {
        let address = Ipv4Addr::from_bits(rng.u32(..));
        let [a, b, ..] = address.octets();
        let special = address.is_private() || address.is_link_local() || address.is_documentation();
        if (1..224).contains(&a)
            && a != 127
            && !special
            && !(a == 100 && (64..128).contains(&b))
            && !(a == 198 && b & 0xfe == 18)
        {
            return address.into();
        }
    }
}

/// Ports as a recipe says them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum PortsText {
    /// One.
    One(u16),
    /// Any of these.
    List(Vec<u16>),
    /// `random`, `client` (of the range that clients use), `1-1024`, `1-1024 in order`, `each` (every source has its own).
    Text(String),
}

/// Ports to choose from.
#[derive(Clone, Debug)]
pub enum Ports {
    /// Any of these.
    List(Vec<u16>),
    /// Any from the first to the last one.
    Range(u16, u16),
    /// From the first to the last one, and again.
    InOrder(u16, u16),
    /// One for each host, above 10,000, the same every time.
    Each,
}

impl Ports {
    /// Reads them.
    ///
    /// # Errors
    /// It is none of the forms of [`PortsText`].
    pub fn new(text: &PortsText) -> Result<Self> {
        let text = match text {
            PortsText::One(port) => return Ok(Self::List(vec![*port])),
            PortsText::List(ports) if ports.is_empty() => bail!("no port"),
            PortsText::List(ports) => return Ok(Self::List(ports.clone())),
            PortsText::Text(text) => text.as_str(),
        };
        let (range, in_order) = text.strip_suffix(" in order").map_or((text, false), |range| (range, true));
        Ok(match range {
            "random" => Self::Range(1, u16::MAX),
            "client" => Self::Range(32_768, 60_999),
            "each" => Self::Each,
            _ => {
                let (first, last) = range.split_once('-').with_context(|| format!("{text}: no ports"))?;
                let (first, last) = (first.parse()?, last.parse()?);
                ensure!(first <= last, "{text}: no ports");
                if in_order { Self::InOrder(first, last) } else { Self::Range(first, last) }
            }
        })
    }

    /// The port of the `number`th packet, where this host has one.
    pub fn pick(&self, number: u64, host: IpAddr, rng: &mut Rng) -> u16 {
        match self {
            Self::List(ports) if ports.len() == 1 => ports[0],
            Self::List(ports) => ports[rng.usize(..ports.len())],
            Self::Range(first, last) => rng.u16(*first..=*last),
            // A step that has no factor in common with any range's length below 65,536: scanners shuffle.
            Self::InOrder(first, last) => {
                let count = u64::from(last - first) + 1;
                first + (number.wrapping_mul(65_537) % count) as u16
            }
            Self::Each => 10_000 + (trait_of(host) >> 16) as u16 % 50_000,
        }
    }

    /// Whether each has its turn.
    pub fn in_order(&self) -> bool {
        matches!(self, Self::InOrder(..))
    }
}
