//! The neighbours of this host, with the names of the interfaces that they are at.

use std::{collections::HashMap, io, net::IpAddr};

use nettop_model::snapshot::Mac;
use serde::{Deserialize, Serialize};

use super::LinkCounters;
use crate::netlink::{self, Neighbours};

/// Neighbours that are listed at most. Others are counted.
const MOST: usize = 4096;

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourEntry {
    /// Its address.
    pub address: IpAddr,
    /// Its MAC address; `None`: it is not known, or is none of Ethernet.
    pub mac: Option<Mac>,
    /// The interface that it is at.
    pub interface: String,
    /// Its state, a bit of `NUD_*` (linux/neighbour.h).
    pub state: u16,
    /// Whether it says that it is a router.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub router: bool,
    /// Seconds since it was heard of last.
    pub confirmed_s: Option<u32>,
}

/// Lists them over a socket that was opened before the sandbox was entered.
pub struct NeighbourList(io::Result<Neighbours>);

impl NeighbourList {
    /// Opens it.
    pub fn open() -> Self {
        Self(Neighbours::open())
    }

    /// Those there are, and how many more, for which there was no room.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(&mut self, interfaces: &[LinkCounters]) -> Result<(Vec<NeighbourEntry>, u64), String> {
        let names: HashMap<u32, &str> = interfaces.iter().map(|link| (link.index, link.name.as_str())).collect();
        let (mut entries, mut left_out) = (Vec::new(), 0);
        let list = self.0.as_mut().map_err(|error| error.to_string())?;
        let listed = list.list(&mut |one| {
            let netlink::Neighbour { address, mac, interface, state, router, confirmed_s } = one;
            if entries.len() >= MOST {
                left_out += 1;
                return;
            }
            let interface = names.get(&interface).map_or_else(|| format!("if{interface}"), |name| (*name).into());
            entries.push(NeighbourEntry { address, mac, interface, state, router, confirmed_s });
        });
        listed.map(|()| (entries, left_out)).map_err(|error| error.to_string())
    }
}
