//! What the host says of what it received: its own counters, which nobody can forge who only sends packets.

use nettop_model::{
    format,
    snapshot::{Host, HostInterface},
};

use super::floods::percent;

/// Counts per second of the newest second that the host was asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostRates {
    /// Connections accepted, also those made by a SYN cookie.
    pub accepted: f64,
    /// SYNs answered with a cookie.
    pub cookies: f64,
    /// SYNs and connections dropped at listening sockets.
    pub listen_drops: f64,
    /// Resets sent.
    pub resets: f64,
    /// UDP datagrams for a port where nobody listens.
    pub no_port: f64,
    /// UDP datagrams for which a socket's buffer had no room.
    pub no_room: f64,
    /// UDP datagrams delivered.
    pub delivered: f64,
    /// UDP datagrams sent.
    pub sent: f64,
    /// Fragments that were waiting to be put together and never were.
    pub reassembly_failed: f64,
    /// Packets dropped before sockets.
    pub dropped: f64,
    /// The share of the CPU that is busiest receiving.
    pub softirq: f64,
    /// The share of the speed of the fullest link that its received bytes take; 0: unknown.
    pub link: f64,
    /// The same of sent bytes.
    pub link_out: f64,
    /// Connections that found no room in the queue of those to be accepted.
    pub overflows: f64,
    /// Segments sent, those sent again included.
    pub segments_out: f64,
    /// Segments sent again, but for SYNs and SYN-ACKs: whoever forges the addresses of SYNs has these sent again.
    pub retransmitted: f64,
}

impl HostRates {
    /// Of what the host collector published; `None`: it has not counted for two readings yet.
    pub fn of(host: &Host) -> Option<Self> {
        if host.seconds <= 0.0 {
            return None;
        }
        let rate = |names: &[&str]| -> f64 {
            let named = host.counters.iter().filter(|(name, _)| names.contains(&name.as_ref()));
            // The sum of nothing would be -0.
            named.fold(0.0, |sum, (_, counter)| sum + counter.rate)
        };
        let link = |direction: fn(&HostInterface) -> f64| {
            let share = |interface: &HostInterface| {
                let speed = interface.speed_mbit.filter(|speed| *speed > 0)?;
                Some(direction(interface) * 8.0 / (f64::from(speed) * 1e6))
            };
            host.interfaces.iter().filter_map(share).fold(0.0, f64::max)
        };
        Some(Self {
            accepted: rate(&["TcpPassiveOpens"]),
            cookies: rate(&["TcpExtSyncookiesSent"]),
            listen_drops: rate(&["TcpExtListenDrops"]),
            resets: rate(&["TcpOutRsts"]),
            no_port: rate(&["UdpNoPorts", "Udp6NoPorts"]),
            no_room: rate(&["UdpRcvbufErrors", "Udp6RcvbufErrors"]),
            delivered: rate(&["UdpInDatagrams", "Udp6InDatagrams"]),
            sent: rate(&["UdpOutDatagrams", "Udp6OutDatagrams"]),
            reassembly_failed: rate(&["IpReasmFails", "Ip6ReasmFails"]),
            dropped: rate(&["SoftnetDropped"]),
            softirq: host.cpu.softirq_most,
            link: link(|interface| interface.rx.bps),
            link_out: link(|interface| interface.tx.bps),
            overflows: rate(&["TcpExtListenOverflows"]),
            segments_out: rate(&["TcpOutSegs"]),
            retransmitted: (rate(&["TcpRetransSegs"]) - rate(&["TcpExtTCPSynRetrans"])).max(0.0),
        })
    }

    /// What harm is done, in words; empty: the host shrugs it off.
    pub fn harm(&self) -> Vec<String> {
        let mut harm = Vec::new();
        if self.link >= LINK {
            harm.push(format!("the link is {} full", percent(self.link)));
        }
        if self.dropped >= DROPS {
            harm.push(format!("the kernel drops {} packets/s before sockets", format::pps(self.dropped)));
        }
        if self.listen_drops >= DROPS {
            harm.push(format!("{} connections/s find no room at listening sockets", format::pps(self.listen_drops)));
        }
        if self.no_room >= DROPS {
            harm.push(format!("{} datagrams/s find no room at sockets", format::pps(self.no_room)));
        }
        if self.softirq >= SOFTIRQ {
            harm.push(format!("receiving takes {} of a CPU", percent(self.softirq)));
        }
        harm
    }
}

/// From here on it harms: half of a link, half of a CPU, and more drops than a busy host has now and then.
pub const LINK: f64 = 0.5;
const SOFTIRQ: f64 = 0.5;
pub const DROPS: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::host;

    #[test]
    fn counters_of_both_protocols_are_one_and_those_that_lack_are_zero() {
        let rates = HostRates::of(&host(&[("UdpNoPorts", 5.0), ("Udp6NoPorts", 7.0), ("IpReasmFails", 1.0)]));
        assert_eq!(rates, Some(HostRates { no_port: 12.0, reassembly_failed: 1.0, ..HostRates::default() }));
        assert!(rates.is_some_and(|rates| rates.accepted.is_sign_positive()), "no -0");
        assert_eq!(HostRates::of(&Host { seconds: 0.0, ..host(&[("UdpNoPorts", 5.0)]) }), None);
    }

    #[test]
    fn harm_is_told_from_where_on_it_is_more_than_a_busy_day() {
        let none = HostRates::default();
        for (name, rates, expected) in [
            ("none", none, &[][..]),
            (
                "less than any",
                HostRates { link: 0.49, softirq: 0.49, dropped: 9.9, listen_drops: 9.9, no_room: 9.9, ..none },
                &[],
            ),
            ("cookies and resets are none", HostRates { cookies: 9e5, resets: 9e5, no_port: 9e5, ..none }, &[]),
            ("a link", HostRates { link: 0.5, ..none }, &["the link is 50 % full"]),
            ("more than it can be", HostRates { link: 1.2, ..none }, &["the link is 100 % full"]),
            ("drops", HostRates { dropped: 1500.0, ..none }, &["the kernel drops 1.50k packets/s before sockets"]),
            (
                "sockets",
                HostRates { listen_drops: 10.0, no_room: 20.0, ..none },
                &["10 connections/s find no room at listening sockets", "20 datagrams/s find no room at sockets"],
            ),
            ("a CPU", HostRates { softirq: 0.5, ..none }, &["receiving takes 50 % of a CPU"]),
        ] {
            assert_eq!(rates.harm(), expected, "{name}");
        }
    }
}
