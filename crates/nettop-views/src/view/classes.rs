//! Columns of what came of each class of traffic.

use nettop_model::{format, snapshot::TrafficClass};

use crate::table::{Column, SortKey};

/// A row that tells classes apart.
pub trait Classes {
    /// Packets of a class.
    fn packets_of(&self, class: TrafficClass) -> u64;
}

/// Packets of the class with that number. `first`: the rank of the first class; the others follow.
pub const fn column<R: Classes, const CLASS: usize>(first: u8) -> Column<R> {
    let title = TrafficClass::ALL[CLASS].label();
    let width = if title.len() > 6 { title.len() as u16 } else { 6 };
    Column::number(title, help(TrafficClass::ALL[CLASS]), first + CLASS as u8, [width; 3], |row: &R, _| {
        match row.packets_of(TrafficClass::ALL[CLASS]) {
            0 => String::new(),
            packets => format::short(packets),
        }
    })
    .sorted(|row| SortKey::Number(row.packets_of(TrafficClass::ALL[CLASS]) as f64))
}

const fn help(class: TrafficClass) -> &'static str {
    match class {
        TrafficClass::Syn => "packets of TCP that ask for a connection",
        TrafficClass::Ack => "packets of TCP that acknowledge, or end a connection, without data",
        TrafficClass::Data => "packets of TCP with data",
        TrafficClass::Udp => "packets of UDP",
        TrafficClass::Icmp => "packets of ICMP and ICMPv6",
        TrafficClass::Other => "packets of other IP protocols",
        TrafficClass::SynAck => "packets of TCP that answer to a SYN",
        TrafficClass::Rst => "packets of TCP that reset a connection",
        TrafficClass::Flags => "packets of TCP with flags that no connection has, or cut off",
        TrafficClass::Fragment => "fragments, the first ones included",
    }
}
