//! From the book to the rows of a snapshot.

use nettop_collect::flows::{FlowKey, FlowRow, states};
use nettop_model::snapshot::{Flow, Name, Nat};

use super::book::{EndedFlow, Known};
use crate::ip_protocol;

/// Protocols whose tuples have ports, or keys.
const WITH_PORTS: &[i32] = &[
    libc::IPPROTO_TCP,
    libc::IPPROTO_UDP,
    libc::IPPROTO_DCCP,
    libc::IPPROTO_GRE,
    libc::IPPROTO_SCTP,
    libc::IPPROTO_UDPLITE,
];
/// States whose usual names are other ones than conntrack's.
const STATES: &[(&str, &str)] = &[
    ("SYN_RECV", "SYN-RECEIVED"),
    ("CLOSE", "CLOSED"),
    ("SYN_SENT2", "SYN-SENT"),
    ("SHUTDOWN_RECD", "SHUTDOWN-RECEIVED"),
];

/// One that lives. `is_current`: what it has moved, its state and its timeout are of the newest table; else they are those of long ago, and
/// known again at its end.
pub fn live(known: &Known, is_current: bool) -> Flow {
    let flow = row(known);
    if is_current {
        let bps = |way: usize| known.bps.map(|bps| bps[way]);
        return Flow { tx_bps: bps(0), rx_bps: bps(1), timeout_of_s: known.timeout_s, ..flow };
    }
    Flow { state: None, tx_bytes: None, rx_bytes: None, tx_packets: None, rx_packets: None, timeout_s: None, ..flow }
}

/// One that has ended.
pub fn ended(EndedFlow { known, at_ns, is_whole, .. }: &EndedFlow) -> Flow {
    Flow { ended_ns: Some(*at_ns), whole: Some(*is_whole), timeout_s: None, ..row(known) }
}

fn row(known: &Known) -> Flow {
    let FlowRow { key, state, replied, assured, offloaded, moved, timeout_s, .. } = &known.row;
    let FlowKey { protocol, zones: [zone, reply_zone], original, reply } = *key;
    let [tx, rx] = moved.map_or([None; 2], |moved| moved.map(Some));
    let has_ports = WITH_PORTS.contains(&i32::from(protocol));
    let port = |port: u16| has_ports.then_some(port);
    let [kind, code] = original.ports[1].to_be_bytes();
    let icmp = |value: u8| key.is_icmp().then_some(value);
    Flow {
        protocol: name(protocol),
        state: state.and_then(|state| self::state(protocol, state)),
        source: Some(original.source),
        source_port: port(original.ports[0]),
        destination: Some(original.destination),
        destination_port: port(original.ports[1]),
        reply_source: Some(reply.source),
        reply_source_port: port(reply.ports[0]),
        reply_destination: Some(reply.destination),
        reply_destination_port: port(reply.ports[1]),
        icmp_id: key.is_icmp().then_some(original.ports[0]),
        icmp_type: icmp(kind),
        icmp_code: icmp(code),
        nat: nat(key.translated()),
        zone,
        reply_zone: Some(reply_zone).filter(|other| *other != zone),
        replied: *replied,
        assured: *assured,
        offloaded: *offloaded,
        tx_bytes: tx.map(|(_, bytes)| bytes),
        rx_bytes: rx.map(|(_, bytes)| bytes),
        tx_packets: tx.map(|(packets, _)| packets),
        rx_packets: rx.map(|(packets, _)| packets),
        timeout_s: *timeout_s,
        opened_ns: known.began_ns,
        ..Flow::default()
    }
}

fn name(protocol: u8) -> Name {
    ip_protocol::name(protocol).map_or_else(|| protocol.to_string().into(), Into::into)
}

/// A state as standards write it; `None`: there is none yet.
fn state(protocol: u8, state: u8) -> Option<Name> {
    let name = states::name(protocol, state).filter(|name| *name != "NONE")?;
    let usual = STATES.iter().find(|(own, _)| *own == name).map(|(_, usual)| (*usual).into());
    Some(usual.unwrap_or_else(|| name.replace('_', "-").into()))
}

fn nat(translated: [bool; 2]) -> Nat {
    match translated {
        [true, true] => Nat::Both,
        [true, false] => Nat::Source,
        [false, true] => Nat::Destination,
        [false, false] => Nat::None,
    }
}
