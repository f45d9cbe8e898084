//! The region of every address of IPv4 in a few bytes, as far as anybody asked: where a flood comes from ever new addresses, a look-up
//! for each would cost more than all the rest.
//!
//! What a /16 is divided into is looked up when one of its addresses comes, range by range, and kept: all of IPv4 takes 4 MB.

use std::{
    net::{IpAddr, Ipv4Addr},
    ops::Range,
};

use nettop_geo::{Geo, Region};

/// One in so many addresses is the first of a /16.
const SLICE: u32 = 1 << 16;

/// It.
#[derive(Debug, Default)]
pub struct Atlas {
    /// Which ranges each /16 is divided into; empty: nobody asked yet.
    slices: Vec<Range<u32>>,
    /// The last 16 bits of the first address of each range, and its region.
    starts: Vec<u16>,
    regions: Vec<u32>,
}

impl Atlas {
    /// The region of an address. `number` gives the regions' numbers.
    pub fn region(&mut self, address: u32, geo: &Geo, number: impl FnMut(Ipv4Addr, &Region) -> u32) -> u32 {
        if self.slices.is_empty() {
            self.slices = vec![0..0; 1 << 16];
        }
        let slice = (address / SLICE) as usize;
        if self.slices[slice].is_empty() {
            self.slices[slice] = self.divide(address - address % SLICE, geo, number);
        }
        let Range { start, end } = self.slices[slice].clone();
        let (start, end) = (start as usize, end as usize);
        let after = self.starts[start..end].partition_point(|first| u32::from(*first) <= address % SLICE);
        self.regions[start + after - 1]
    }

    /// Looks up what the /16 with this first address is divided into.
    fn divide(&mut self, first: u32, geo: &Geo, mut number: impl FnMut(Ipv4Addr, &Region) -> u32) -> Range<u32> {
        let begin = self.starts.len();
        let mut address = first;
        loop {
            let ip = Ipv4Addr::from_bits(address);
            let region = geo.region(ip.into());
            let number = number(ip, &region);
            if self.starts.len() == begin || self.regions.last() != Some(&number) {
                self.starts.push((address % SLICE) as u16);
                self.regions.push(number);
            }
            let IpAddr::V4(last) = region.last else { break };
            // The next /16, or the end of them all.
            let Some(next) = last.to_bits().max(address).checked_add(1).filter(|next| next / SLICE == first / SLICE)
            else {
                break;
            };
            address = next;
        }
        begin as u32..self.starts.len() as u32
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
