//! The flows that this host forwards or translates, and exchanges of ICMP, as its connection tracking has them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    connections::left_out,
    json::{known, known_or_default},
    names::Name,
};

/// The flows there were when the table was read last, and those that ended lately. Flows of this host itself, which are not translated, are
/// its connections, and only counted here. Bytes are those of the IP packets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flows {
    /// When was read last, Unix nanoseconds.
    pub at_ns: u64,
    /// When the table was read; `None`: not yet.
    pub table_ns: Option<u64>,
    /// Seconds from the table before to that one, which the rates are over; 0: it was the first, and there are none.
    pub seconds: f64,
    /// CPU time that the table took, µs.
    pub cost_us: u64,
    /// Seconds until the next one: 50 times what this one took, at least one (three where nothing moved); 0: there is none.
    pub rest: f64,
    /// Flows, the busiest first.
    pub live: Vec<Flow>,
    /// Flows that ended in the last ten seconds, the newest first.
    pub ended: Vec<Flow>,
    /// How many rows the lists leave out.
    pub left_out: u64,
    /// Of the flows that live, those for which there was no room: they are only counted.
    pub passed: u64,
    /// Flows of this host itself, in the newest table.
    pub own: u64,
    /// Flows that the kernel keeps track of, of any kind.
    pub count: Option<u64>,
    /// How many it has room for.
    pub max: Option<u64>,
    /// Packets that it dropped because there was no room for their flow, since the host was started.
    pub dropped: Option<u64>,
    /// Flows that had to go to make room for others, since then.
    pub evicted: Option<u64>,
    /// Whether packets and bytes are counted (`nf_conntrack_acct`).
    pub acct: Option<bool>,
    /// Whether it is noted when flows begin (`nf_conntrack_timestamp`).
    pub timestamp: Option<bool>,
    /// Whether the kernel lost events of which the newest table does not make up for: what lives is estimated.
    pub estimated: bool,
    /// Where all flows went.
    pub accounting: FlowAccounting,
}

/// Where all flows went that were listed, or would have been, since the start or the last reset. Always:
/// `found` + `began` = `live` + `ended` + `vanished`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowAccounting {
    /// Found in a table, or at their end, without having been told that they began.
    pub found: u64,
    /// Told that they began.
    pub began: u64,
    /// Alive, those included that there is no room for.
    pub live: u64,
    /// Told that they ended.
    pub ended: u64,
    /// Not in the table any more, without having been told that they ended.
    pub vanished: u64,
    /// Times that the kernel had no room for events; nobody knows for how many.
    pub overruns: u64,
    /// Events for which there was no room here.
    pub untold: u64,
    /// Whether the numbers of flows that came and went, and those that are remembered, which are counted apart, agree.
    pub holds: bool,
}

/// One flow. What is `None` is not known, or is nothing that such a flow has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flow {
    /// The name of its protocol, or its number.
    pub protocol: Name,
    /// Its state, as RFC 9293 names those of TCP, and RFC 9260 those of SCTP.
    pub state: Option<Name>,
    /// From where the first packet came.
    pub source: Option<IpAddr>,
    /// And from which port; of GRE the key.
    pub source_port: Option<u16>,
    /// To where it went, as it came.
    pub destination: Option<IpAddr>,
    /// And to which port.
    pub destination_port: Option<u16>,
    /// From where replies come: where the destination is translated, whom it is translated to.
    pub reply_source: Option<IpAddr>,
    /// And from which port.
    pub reply_source_port: Option<u16>,
    /// To where replies go: where the source is translated, what it is translated to.
    pub reply_destination: Option<IpAddr>,
    /// And to which port.
    pub reply_destination_port: Option<u16>,
    /// Of ICMP, the identifier.
    pub icmp_id: Option<u16>,
    /// The type of its questions.
    pub icmp_type: Option<u8>,
    /// And their code.
    pub icmp_code: Option<u8>,
    /// What is translated.
    #[serde(deserialize_with = "known_or_default")]
    pub nat: Nat,
    /// The zone that both directions are looked up in; where these are two, that of the original one.
    pub zone: u16,
    /// The zone of the replies, where it is another one.
    pub reply_zone: Option<u16>,
    /// Whether anything came back.
    pub replied: bool,
    /// Whether it stays where room is made.
    pub assured: bool,
    /// Whether its packets go past the rules, by a flow table.
    pub offloaded: bool,
    /// Bytes from the source.
    pub tx_bytes: Option<u64>,
    /// Bytes of the replies.
    pub rx_bytes: Option<u64>,
    /// Packets from the source.
    pub tx_packets: Option<u64>,
    /// Packets of the replies.
    pub rx_packets: Option<u64>,
    /// Bytes per second from the source, from the table before to the newest one.
    pub tx_bps: Option<f64>,
    /// Bytes per second of the replies.
    pub rx_bps: Option<f64>,
    /// For how long it is kept if nothing comes, seconds.
    pub timeout_s: Option<u32>,
    /// For how long it is kept after a packet, seconds.
    pub timeout_of_s: Option<u32>,
    /// When it began, Unix nanoseconds.
    pub opened_ns: Option<u64>,
    /// When it ended; `None`: it has not.
    pub ended_ns: Option<u64>,
    /// Of one that ended, whether its packets and bytes are all that it has moved; else it moved at least so much.
    #[serde(deserialize_with = "known")]
    pub whole: Option<bool>,
}

/// What of a flow is translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nat {
    /// Its source: replies go to another address or port than the original packets came from.
    Source,
    /// Its destination: replies come from another one than these went to.
    Destination,
    /// Both.
    Both,
    /// Nothing: it is forwarded as it is.
    #[default]
    None,
}

impl Nat {
    /// `source`, `destination`, `both` or `none`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Both => "both",
            Self::None => "none",
        }
    }
}

impl Flow {
    /// Bytes, both ways.
    pub fn bytes(&self) -> u64 {
        self.tx_bytes.unwrap_or_default().saturating_add(self.rx_bytes.unwrap_or_default())
    }

    /// How much is over of the time that it is kept after a packet, 0 to 1; `None`: not known.
    pub fn idle_share(&self) -> Option<f64> {
        let (left, of) = self.timeout_s.zip(self.timeout_of_s.filter(|of| *of > 0))?;
        Some(1.0 - f64::from(left.min(of)) / f64::from(of))
    }
}

impl Flows {
    /// Those that pass, and of these at most `limit` (0: all) in each list.
    pub fn keep(&mut self, passes: impl Fn(&Flow) -> bool, limit: usize) {
        for list in [&mut self.live, &mut self.ended] {
            list.retain(&passes);
            self.left_out += left_out(list, limit);
        }
    }
}
