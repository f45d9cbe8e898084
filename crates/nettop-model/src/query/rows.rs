//! What a filter can ask of sources and destinations, in views and in rules alike.

use std::net::IpAddr;

use nettop_geo::special::{self, Kind, Special};

use super::{Fact, NAMESPACES, Quantity, SCOPES, Word};
use crate::snapshot::{Connection, DestinationRow, Flow, Nat, ProcessRow, SourceRow};

impl SourceRow {
    /// Tells all that is known of it.
    pub fn facts(&self, see: &mut dyn FnMut(Fact)) {
        see(Fact::source(self.ip));
        see(Fact::Named(Word::Scope, scope(self.ip)));
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
        see(Fact::Named(Word::Scope, scope(self.ip)));
        numbers(self.packets, self.bytes, self.pps, see);
        see(Fact::Number(Quantity::Peak, self.peak_pps));
    }
}

impl Connection {
    /// Tells all that is known of it. Its source is this end, whoever began it.
    pub fn facts(&self, see: &mut dyn FnMut(Fact)) {
        self.local.into_iter().for_each(|ip| see(Fact::source(ip)));
        self.remote.into_iter().for_each(|ip| see(Fact::destination(ip)));
        // With itself, whatever the address.
        let with_whom = self.remote.map(|ip| if self.local == Some(ip) { SCOPES[0] } else { scope(ip) });
        with_whom.into_iter().for_each(|scope| see(Fact::Named(Word::Scope, scope)));
        self.country.into_iter().for_each(|country| see(Fact::Country(country)));
        if self.has_port() {
            see(Fact::LocalPort(self.local_port));
        }
        let [own, other] = NAMESPACES;
        see(Fact::Named(Word::Namespace, if self.namespace.is_none() { own } else { other }));
        self.namespace.into_iter().for_each(|inode| see(Fact::Named(Word::Namespace, &inode.to_string())));
        self.takes.iter().for_each(|takes| see(Fact::Text(takes)));
        self.interface.iter().for_each(|name| see(Fact::Text(name)));
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

impl Flow {
    /// Tells all that is known of it. Replies go from the destination to the source.
    pub fn facts(&self, see: &mut dyn FnMut(Fact)) {
        self.source.iter().chain(&self.reply_destination).for_each(|ip| see(Fact::source(*ip)));
        self.destination.iter().chain(&self.reply_source).for_each(|ip| see(Fact::destination(*ip)));
        self.destination.into_iter().for_each(|ip| see(Fact::Named(Word::Scope, scope(ip))));
        let to = [self.destination_port, self.reply_source_port];
        let from = [self.source_port, self.reply_destination_port];
        from.into_iter().flatten().for_each(|port| see(Fact::LocalPort(port)));
        to.into_iter().flatten().for_each(|port| see(Fact::RemotePort(port)));
        see(Fact::Protocol(&self.protocol));
        self.state.iter().for_each(|state| see(Fact::Named(Word::State, state)));
        let nats: &[Nat] = match self.nat {
            Nat::Both => &[Nat::Source, Nat::Destination, Nat::Both],
            ref one => std::slice::from_ref(one),
        };
        nats.iter().for_each(|nat| see(Fact::Named(Word::Nat, nat.label())));
        let packets = self.tx_packets.zip(self.rx_packets).map(|(tx, rx)| tx.saturating_add(rx));
        for (quantity, number) in [
            (Quantity::Bytes, self.tx_bytes.map(|_| self.bytes())),
            (Quantity::Packets, packets),
            (Quantity::Tx, self.tx_bytes),
            (Quantity::Rx, self.rx_bytes),
        ] {
            number.into_iter().for_each(|number| see(Fact::Number(quantity, number as f64)));
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

/// Whom an address is known to: one of [`SCOPES`].
fn scope(ip: IpAddr) -> &'static str {
    let [local, private, multicast, public] = SCOPES;
    match special::find(ip) {
        _ if ip.is_loopback() => local,
        _ if ip.is_multicast() => multicast,
        Some(Special { kind: Kind::Local(_), .. }) => private,
        _ => public,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Verdict, parse};

    #[test]
    fn addresses_are_known_to_this_host_to_a_network_to_a_group_or_to_everybody() {
        for (ip, expected) in [
            ("127.0.0.1", "local"),
            ("127.9.9.9", "local"),
            ("::1", "local"),
            ("10.0.0.1", "private"),
            ("169.254.1.1", "private"),
            ("100.64.0.1", "private"),
            ("fe80::1", "private"),
            ("fd00::1", "private"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("8.8.8.8", "public"),
            ("2606:4700::1", "public"),
        ] {
            assert_eq!(scope(ip.parse().unwrap()), expected, "{ip}");
        }
    }

    #[test]
    fn a_connection_of_this_host_with_itself_is_local() {
        let query = parse("!scope:local").unwrap().unwrap();
        for (local, remote, passes) in [
            ("127.0.0.1", Some("127.0.0.1"), false),
            ("127.0.0.1", Some("127.0.0.2"), false),
            ("8.8.8.8", Some("8.8.8.8"), false),
            ("10.0.0.1", Some("10.0.0.2"), true),
            ("8.8.8.8", Some("8.8.4.4"), true),
            ("127.0.0.1", None, true),
        ] {
            let parsed = |ip: &str| ip.parse().ok();
            let row = Connection { local: parsed(local), remote: remote.and_then(parsed), ..Connection::default() };
            let verdict = query.judge(|see| row.facts(see));
            assert_eq!(verdict == Verdict::Passes, passes, "{local} {remote:?}");
        }
    }
}
