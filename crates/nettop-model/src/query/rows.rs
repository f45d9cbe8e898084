//! What a filter can ask of sources and destinations, in views and in rules alike.

use std::net::IpAddr;

use super::{Fact, Quantity};
use crate::snapshot::{DestinationRow, SourceRow};

impl SourceRow {
    /// Tells all that is known of it.
    pub fn facts(&self, see: &mut dyn FnMut(Fact)) {
        see(Fact::source(self.ip));
        numbers(self.packets, self.bytes, self.pps, see);
        see(Fact::Number(Quantity::Peak, self.peak_pps));
        if let Some(place) = &self.place {
            see(Fact::Country(place.country_code));
            see(Fact::Asn(place.asn));
            [&place.country, &place.city, &place.org].into_iter().for_each(|text| see(Fact::Text(text)));
        }
        let Some(detail) = &self.detail else { return see(Fact::NoDetail) };
        detail.dst_ports.keys().chain(detail.src_ports.keys()).for_each(|port| see(Fact::Port(*port)));
        detail.protocols.keys().for_each(|name| see(Fact::Protocol(name)));
        detail.macs.keys().for_each(|mac| see(Fact::Mac(*mac)));
    }
}

impl DestinationRow {
    /// Tells all that is known of it.
    pub fn facts(&self, see: &mut dyn FnMut(Fact)) {
        see(Fact::destination(self.ip));
        numbers(self.packets, self.bytes, self.pps, see);
        see(Fact::Number(Quantity::Peak, self.peak_pps));
    }
}

impl Fact<'_> {
    /// An address that packets come from.
    pub fn source(ip: IpAddr) -> Self {
        Self::Source(ip, bits(ip))
    }

    /// An address that packets go to.
    pub fn destination(ip: IpAddr) -> Self {
        Self::Destination(ip, bits(ip))
    }
}

/// How many bits an address has.
fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// Tells the numbers that nearly every row has.
pub fn numbers(packets: u64, bytes: u64, pps: f64, see: &mut dyn FnMut(Fact)) {
    see(Fact::Number(Quantity::Packets, packets as f64));
    see(Fact::Number(Quantity::Bytes, bytes as f64));
    see(Fact::Number(Quantity::Pps, pps));
}
