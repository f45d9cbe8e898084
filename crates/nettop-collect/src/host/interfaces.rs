//! The counters that each interface has itself, in both directions.

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize};

use crate::netlink::{self, ethtool};

/// One interface: what it is, and what it has counted since it was made. Bytes are those of frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCounters {
    /// Its index.
    pub index: u32,
    /// Its name, foreign bytes spelled out.
    pub name: String,
    /// What its driver calls its kind: `vrf`, `bridge`, `veth`; empty for most hardware.
    pub kind: String,
    /// Whether it is the loopback.
    pub loopback: bool,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether there is a carrier.
    pub carrier: bool,
    /// Speed of its link, Mbit/s; `None`: it has none, or does not tell.
    pub speed: Option<u32>,
    /// Maximum transmission unit, bytes.
    pub mtu: u32,
    /// What it has received.
    pub receive: Direction,
    /// What it has sent.
    pub transmit: Direction,
    /// Collisions, which only half-duplex links have.
    pub collisions: u64,
}

/// One direction of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direction {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets with an error.
    pub errors: u64,
    /// Packets dropped though nothing was wrong with them: for want of room, by a queueing discipline, of a protocol that nobody
    /// takes.
    pub dropped: u64,
    /// Of received packets, those that the device had no buffer for. They are in none of the others.
    pub missed: u64,
}

/// Every interface of this network namespace.
///
/// # Errors
/// What the kernel says.
pub fn read(speeds: &mut Speeds) -> io::Result<Vec<LinkCounters>> {
    let speeds = speeds.read();
    let rows = netlink::interfaces()?.into_iter().map(|interface| {
        let stats = interface.stats.unwrap_or_default();
        LinkCounters {
            speed: speeds.get(&interface.index).copied(),
            index: interface.index,
            name: interface.name,
            kind: interface.kind,
            loopback: interface.loopback,
            up: interface.up,
            carrier: interface.has_carrier,
            mtu: interface.mtu,
            receive: Direction {
                packets: stats.rx_packets,
                bytes: stats.rx_bytes,
                errors: stats.rx_errors,
                dropped: stats.rx_dropped,
                missed: stats.rx_missed_errors,
            },
            transmit: Direction {
                packets: stats.tx_packets,
                bytes: stats.tx_bytes,
                errors: stats.tx_errors,
                dropped: stats.tx_dropped,
                missed: 0,
            },
            collisions: stats.collisions,
        }
    });
    Ok(rows.collect())
}

/// The speeds of links, which change seldom and take the kernel longer to tell than all the rest.
#[derive(Default)]
pub struct Speeds {
    known: BTreeMap<u32, u32>,
    readings: u32,
}

impl Speeds {
    /// Once in so many readings they are asked for.
    const EVERY: u32 = 10;

    fn read(&mut self) -> &BTreeMap<u32, u32> {
        if self.readings.is_multiple_of(Self::EVERY) {
            // A kernel before 5.6 does not tell: then there are none.
            self.known = ethtool::speeds().unwrap_or_default();
        }
        self.readings = self.readings.wrapping_add(1);
        &self.known
    }
}
