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
/// Ranges that are kept, and those of one more /16: 12 MB. Of the embedded data there are a quarter as many.
const MOST: usize = 1 << 21;

/// What of IPv4 was looked up, by /16.
#[derive(Debug, Default)]
pub struct Atlas {
    /// Which ranges each /16 is divided into; empty: nobody asked yet.
    slices: Vec<Range<u32>>,
    /// The last 16 bits of the first address of each range, and its region.
    starts: Vec<u16>,
    regions: Vec<u32>,
}

impl Atlas {
    /// The region of an address; `None`: its /16 was not looked up.
    #[inline]
    pub fn region(&self, address: u32) -> Option<u32> {
        let Range { start, end } = self.slices.get((address / SLICE) as usize)?.clone();
        let starts = self.starts.get(start as usize..end as usize)?;
        let after = starts.partition_point(|first| u32::from(*first) <= address % SLICE);
        self.regions.get(start as usize..)?.get(after.checked_sub(1)?).copied()
    }

    /// Whether another /16 can be kept.
    pub fn has_room(&self) -> bool {
        self.starts.len() < MOST
    }

    /// Looks up what the /16 of an address is divided into; returns how many look-ups that took. `number` gives the regions' numbers.
    pub fn divide(&mut self, address: u32, geo: &Geo, mut number: impl FnMut(Ipv4Addr, &Region) -> u32) -> u32 {
        self.slices.resize(1 << 16, 0..0);
        let first = address - address % SLICE;
        let begin = self.starts.len();
        let (mut address, mut look_ups) = (first, 0);
        loop {
            look_ups += 1;
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
        self.slices[(first / SLICE) as usize] = begin as u32..self.starts.len() as u32;
        look_ups
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_part_has_the_region_that_a_look_up_tells() {
        let geo = Geo::bundled().unwrap();
        let (mut atlas, mut known) = (Atlas::default(), Vec::new());
        let mut random = fastrand::Rng::with_seed(1);
        for slice in ["0.0.0.0", "1.0.0.0", "10.0.0.0", "80.241.0.0", "192.0.0.0", "223.255.0.0", "255.255.0.0"] {
            let first = slice.parse::<Ipv4Addr>().unwrap().to_bits();
            assert_eq!(atlas.region(first), None, "{slice}");
            atlas.divide(first + random.u32(..SLICE), &geo, |_, region| {
                known.push((region.country_code, region.asn));
                known.len() as u32 - 1
            });
            for address in (0..500).map(|_| first + random.u32(..SLICE)).chain([first, first + (SLICE - 1)]) {
                let location = geo.look_up(Ipv4Addr::from_bits(address).into());
                let region = atlas.region(address).map(|number| known[number as usize]);
                assert_eq!(region, Some((location.country_code, location.asn)), "{slice}: {address:#x}");
            }
        }
    }
}
