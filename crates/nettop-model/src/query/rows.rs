//! What a filter can ask of sources and destinations, in views and in rules alike.

use std::net::IpAddr;

use super::{Fact, Quantity, Word};
use crate::snapshot::{Connection, DestinationRow, ProcessRow, SourceRow};

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

impl Connection {
    /// Tells all that is known of it. Its source is this end, whoever began it.
    pub fn facts(&self, see: &mut dyn FnMut(Fact)) {
        self.local.into_iter().for_each(|ip| see(Fact::source(ip)));
        self.remote.into_iter().for_each(|ip| see(Fact::destination(ip)));
        see(Fact::LocalPort(self.local_port));
        self.remote_port.into_iter().for_each(|port| see(Fact::RemotePort(port)));
        see(Fact::Protocol(&self.protocol));
        see(Fact::Named(Word::State, &self.state));
        self.direction.into_iter().for_each(|way| see(Fact::Named(Word::Direction, way.label())));
        self.pid.into_iter().for_each(|pid| see(Fact::Pid(pid)));
        see(Fact::Owner(self.uid));
        self.process.iter().for_each(|name| see(Fact::Named(Word::Process, name)));
        self.unit.iter().for_each(|unit| see(Fact::Named(Word::Unit, unit)));
        see(Fact::Number(Quantity::Bytes, self.bytes() as f64));
        let packets = self.tx_packets.zip(self.rx_packets).map(|(tx, rx)| tx.saturating_add(rx));
        let rtt = self.rtt_us.map(|rtt| f64::from(rtt) / 1e3);
        for (quantity, number) in [
            (Quantity::Packets, packets.map(|packets| packets as f64)),
            (Quantity::Tx, self.tx_bytes.map(|bytes| bytes as f64)),
            (Quantity::Rx, self.rx_bytes.map(|bytes| bytes as f64)),
            (Quantity::Rtt, rtt),
            (Quantity::Retransmits, self.retransmits.map(f64::from)),
        ] {
            number.into_iter().for_each(|number| see(Fact::Number(quantity, number)));
        }
    }
}

impl ProcessRow {
    /// Tells all that is known of it.
    pub fn facts(&self, see: &mut dyn FnMut(Fact)) {
        self.pid.into_iter().for_each(|pid| see(Fact::Pid(pid)));
        see(Fact::Owner(self.uid));
        self.process.iter().for_each(|name| see(Fact::Named(Word::Process, name)));
        self.unit.iter().chain(&self.container).for_each(|unit| see(Fact::Named(Word::Unit, unit)));
        self.executable.iter().for_each(|path| see(Fact::Text(path)));
        for (quantity, number) in [
            (Quantity::Bytes, self.tx_bytes.saturating_add(self.rx_bytes)),
            (Quantity::Tx, self.tx_bytes),
            (Quantity::Rx, self.rx_bytes),
            (Quantity::Retransmits, self.retransmits),
        ] {
            see(Fact::Number(quantity, number as f64));
        }
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
