//! What the host says of what it received: its own counters, which nobody can forge who only sends packets.

use nettop_model::snapshot::Host;

/// Counts per second of the newest second that the host was asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostRates {
    /// Connections accepted, also those made by a SYN cookie.
    pub accepted: f64,
    /// SYNs answered with a cookie.
    pub cookies: f64,
    /// ACKs whose cookie was wrong.
    pub wrong_cookies: f64,
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
        let missed: f64 = rate(&["SoftnetDropped"]);
        let link = |interface: &nettop_model::snapshot::HostInterface| {
            interface
                .speed_mbit
                .filter(|speed| *speed > 0)
                .map(|speed| interface.rx.bps * 8.0 / (f64::from(speed) * 1e6))
        };
        Some(Self {
            accepted: rate(&["TcpPassiveOpens"]),
            cookies: rate(&["TcpExtSyncookiesSent"]),
            wrong_cookies: rate(&["TcpExtSyncookiesFailed"]),
            listen_drops: rate(&["TcpExtListenDrops"]),
            resets: rate(&["TcpOutRsts"]),
            no_port: rate(&["UdpNoPorts", "Udp6NoPorts"]),
            no_room: rate(&["UdpRcvbufErrors", "Udp6RcvbufErrors"]),
            delivered: rate(&["UdpInDatagrams", "Udp6InDatagrams"]),
            sent: rate(&["UdpOutDatagrams", "Udp6OutDatagrams"]),
            reassembly_failed: rate(&["IpReasmFails", "Ip6ReasmFails"]),
            dropped: missed,
            softirq: host.cpu.softirq_most,
            link: host.interfaces.iter().filter_map(link).fold(0.0, f64::max),
        })
    }

    /// What harm is done, in words; empty: the host shrugs it off.
    pub fn harm(&self) -> Vec<String> {
        let mut harm = Vec::new();
        let share = |share: f64| format!("{:.0} %", share * 100.0);
        if self.link >= LINK {
            harm.push(format!("the link is {} full", share(self.link.min(1.0))));
        }
        if self.dropped >= DROPS {
            harm.push(format!("the kernel drops {} packets/s before sockets", nettop_model::format::pps(self.dropped)));
        }
        if self.listen_drops >= DROPS {
            harm.push(format!(
                "{} connections/s find no room at listening sockets",
                nettop_model::format::pps(self.listen_drops)
            ));
        }
        if self.no_room >= DROPS {
            harm.push(format!("{} datagrams/s find no room at sockets", nettop_model::format::pps(self.no_room)));
        }
        if self.softirq >= SOFTIRQ {
            harm.push(format!("receiving takes {} of a CPU", share(self.softirq)));
        }
        harm
    }
}

/// From here on it harms: half of a link, half of a CPU, and more drops than a busy host has now and then.
const LINK: f64 = 0.5;
const SOFTIRQ: f64 = 0.5;
const DROPS: f64 = 10.0;
