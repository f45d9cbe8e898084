//! The connections of this host in both directions, and below them what waits for some.

use std::{borrow::Cow, net::IpAddr};

use nettop_model::{
    format,
    snapshot::{Connection, Snapshot, Subject},
};

use crate::{
    services,
    table::{self, Cell, Enter, Id, Meaning, SortKey, Table},
    text,
};

/// The view.
pub static TABLE: Table<Connection> = Table {
    name: "Connections",
    many: "sockets",
    about: "every connection of this host, whoever began it, every socket that listens, and what ended lately: payload, rates, processes",
    columns: COLUMNS,
    rows,
    unlisted: |snapshot| snapshot.connections.as_deref().map_or(0, |connections| connections.left_out),
    id: |row| Id::Connection(row.cookie, row.remote.or(row.local)),
    words: &[
        "ip:", "src:", "dst:", "scope:", "country:", "port:", "lport:", "rport:", "proto:", "state:", "dir:", "ns:",
        "process:", "pid:", "owner:", "unit:", "bytes", "packets", "tx", "rx", "rtt", "retrans",
    ],
    facts: Connection::facts,
    enter: |row| Enter::Detail(Subject::Connection(row.cookie)),
};

type Column = table::Column<Connection>;

/// Seconds of silence after which connection tracking forgets a socket of UDP that was answered (twice `nf_conntrack_udp_timeout`).
const FORGOTTEN: f64 = 60.0;
/// Seconds for which a connection that has ended stands out.
const FRESH: f64 = 3.0;

const COLUMNS: &[Column] = &[
    Column::text("Proto", "TCP, UDP, UDPL (UDP-Lite), SCTP, RAW, ICMP (ping), P_RAW and P_DGR (packet sockets)", 11, [5, 5, 5], |row, _| format::visible(&row.protocol))
        .sorted(|row| SortKey::Text(row.protocol.to_string())),
    Column::text("Dir", "who began it: in (the other end), out (this host), ? (not known)", 8, [3, 3, 3], |row, _| {
        row.direction.map_or("–", |way| way.label()).into()
    })
    .sorted(|row| SortKey::Text(row.direction.map_or("", |way| way.label()).into())),
    Column::text(
        "Local",
        "address and port at this end; of raw and packet sockets what they take, and of the latter where",
        4,
        [21, 21, 47],
        local,
    )
    .means_by(|row, cell| fading(row, cell).unwrap_or(Meaning::Text))
    .sorted(|row| SortKey::Number(row.local_port.into())),
    Column::text("Remote", "address and port at the other end; gw: it is the default gateway", 0, [21, 21, 47], remote)
    .means_by(|row, cell| fading(row, cell).unwrap_or(Meaning::Address))
    .sorted(|row| row.remote.map_or(SortKey::Ip(IpAddr::from([0; 4])), SortKey::Ip)),
    Column::text(
        "State",
        "state of the socket (RFC 9293); CLOSED: it ended a moment ago; of UDP ACTIVE (moved something within 30 s), IDLE (60 s), STALE, \
         and UNCONN without another end",
        5,
        [5, 11, 12],
        |row, cell| text::cut(&format::visible(&row.state), cell.width),
    )
    .means_by(|row, cell| fading(row, cell).unwrap_or_else(|| of_state(row)))
    .sorted(|row| SortKey::Text(row.state.to_string())),
    Column::text("Process", "the process that has it; – where that is not known", 3, [7, 12, 15], |row, cell| {
        row.process.as_ref().map_or("–".into(), |name| text::cut(&format::visible(name), cell.width))
    })
    .means_by(|row, cell| fading(row, cell).unwrap_or(Meaning::Label))
    .sorted(|row| SortKey::Text(row.process.clone().unwrap_or_default())),
    Column::number("PID", "its number", 12, [5, 7, 7], |row, _| row.pid.map_or("–".into(), |pid| pid.to_string()))
        .sorted(|row| SortKey::Number(row.pid.unwrap_or_default().into())),
    Column::number("TX rate", "payload sent per second", 2, [11, 11, 12], |row, cell| rate(row.tx_bps, cell))
        .means(Meaning::Value)
        .sorted(|row| SortKey::Rate(row.tx_bps.unwrap_or_default())),
    Column::number("RX rate", "payload received per second", 1, [11, 11, 12], |row, cell| rate(row.rx_bps, cell))
        .means(Meaning::Value)
        .sorted(|row| SortKey::Rate(row.rx_bps.unwrap_or_default())),
    Column::number("TX bytes", "payload sent, what was sent again not included", 7, [8, 8, 8], |row, cell| {
        amount(row.tx_bytes, cell)
    })
    .sorted(|row| SortKey::Number(row.tx_bytes.unwrap_or_default() as f64)),
    Column::number("RX bytes", "payload received", 6, [8, 8, 8], |row, cell| amount(row.rx_bytes, cell))
        .sorted(|row| SortKey::Number(row.rx_bytes.unwrap_or_default() as f64)),
    Column::number("RTT", "smoothed round-trip time", 9, [6, 7, 7], |row, _| milliseconds(row.rtt_us))
        .sorted(|row| SortKey::Rate(row.rtt_us.unwrap_or_default().into())),
    Column::number("Retr", "segments sent again", 10, [4, 6, 9], |row, cell| number(row.retransmits, cell))
        .sorted(|row| SortKey::Number(row.retransmits.unwrap_or_default().into())),
    Column::number("OOO", "segments received out of order", 20, [4, 6, 9], |row, cell| number(row.out_of_order, cell))
        .sorted(|row| SortKey::Number(row.out_of_order.unwrap_or_default().into())),
    Column::text("Unit", "the systemd unit or the container that the process runs in", 13, [8, 16, 32], |row, cell| {
        row.unit.as_ref().map_or("–".into(), |unit| text::cut_middle(&format::visible(unit), cell.width))
    })
    .sorted(|row| SortKey::Text(row.unit.clone().unwrap_or_default())),
    Column::number("Open", "for how long; ≥: since before nettop looked", 14, [5, 5, 6], opened)
        .means(Meaning::Dim)
        .sorted(|row| SortKey::Number(row.opened_ns.unwrap_or_default() as f64)),
    Column::number(
        "RecvQ",
        "bytes not read yet; of what listens, connections not accepted yet",
        15,
        [5, 6, 9],
        |row, cell| format::count(row.rx_queue.into(), cell.width),
    )
    .sorted(|row| SortKey::Number(row.rx_queue.into())),
    Column::number(
        "SendQ",
        "bytes not acknowledged yet; of what listens, how many connections may wait",
        16,
        [5, 6, 9],
        |row, cell| format::count(row.tx_queue.into(), cell.width),
    )
    .sorted(|row| SortKey::Number(row.tx_queue.into())),
    Column::number("Drops", "packets that the socket had no room for", 17, [5, 6, 9], |row, cell| {
        format::count(row.drops.into(), cell.width)
    })
    .sorted(|row| SortKey::Number(row.drops.into())),
    Column::number("Cwnd", "congestion window, segments", 18, [4, 5, 7], |row, cell| number(row.cwnd, cell))
        .sorted(|row| SortKey::Number(row.cwnd.unwrap_or_default().into())),
    Column::text("CC", "the country of the other end; GW: it is the default gateway", 21, [2, 2, 2], |row, cell| {
        match row.remote.is_some_and(|remote| cell.gateways.contains(&remote)) {
            true => "GW".into(),
            false => row.country.map_or("–".into(), |country| country.to_string()),
        }
    })
    .sorted(|row| SortKey::Text(row.country.map(|country| country.to_string()).unwrap_or_default())),
    Column::text("NS", "the network namespace that it is in, if that is another one: its inode (ls -L /proc/PID/ns/net)", 22, [10, 10, 10], |row, _| {
        row.namespace.map_or("–".into(), |inode| inode.to_string())
    })
    .sorted(|row| SortKey::Number(row.namespace.unwrap_or_default().into())),
    Column::number("UID", "the user that made the socket", 19, [5, 6, 10], |row, _| row.uid.to_string())
        .sorted(|row| SortKey::Number(row.uid.into())),
];

fn rows(snapshot: &Snapshot) -> Cow<'_, [Connection]> {
    let Some(connections) = snapshot.connections.as_deref() else { return Cow::Borrowed(&[]) };
    match connections.listening.is_empty() && connections.ended.is_empty() {
        true => Cow::Borrowed(&connections.live),
        false => Cow::Owned(connections.all().cloned().collect()),
    }
}

/// This end, or what a socket without ports takes and where.
fn local(row: &Connection, cell: &Cell) -> String {
    if row.has_port() {
        return end(row.local, Some(row.local_port), cell);
    }
    let (first, second) = row.local_end();
    joined(&first, &second, cell)
}

/// The other end; behind it, where there is room for both, that it is the default gateway.
fn remote(row: &Connection, cell: &Cell) -> String {
    const MARK: &str = " gw";
    let plain = end(row.remote, row.remote_port, cell);
    let is_gateway = row.remote.is_some_and(|remote| cell.gateways.contains(&remote));
    if !is_gateway {
        return plain;
    }
    // The number of the port is shorter than a name, and the mark tells more.
    let numbers = end(row.remote, row.remote_port, &Cell { numeric: true, ..*cell });
    let marked = [plain.clone() + MARK, numbers + MARK];
    marked.into_iter().find(|marked| text::width(marked) <= cell.width).unwrap_or(plain)
}

/// `192.0.2.1:443`, `[2001:db8::1]:443`; with the name of the port's service, where there is room for both.
pub(super) fn end(address: Option<IpAddr>, port: Option<u16>, cell: &Cell) -> String {
    let Some(address) = address else { return "–".into() };
    let Some(port) = port else { return text::cut_middle(&address.to_string(), cell.width) };
    let address = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
    let named = services::name(port).filter(|_| !cell.numeric).map(|name| format!("{address}:{name}"));
    named
        .filter(|named| text::width(named) <= cell.width)
        .unwrap_or_else(|| joined(&address, &format!(":{port}"), cell))
}

/// Both parts; of the first as much as there is room for, since the second tells more than its end.
fn joined(first: &str, second: &str, cell: &Cell) -> String {
    let second = text::cut(second, cell.width);
    text::cut_middle(first, cell.width.saturating_sub(text::width(&second))) + &second
}

/// What the state of a connection means. The kernel's connection tracking forgets a socket of UDP after a minute of silence, which is
/// announced.
fn of_state(row: &Connection) -> Meaning {
    match (row.silent.filter(|_| row.remote.is_some()), &*row.state) {
        (Some(silent), _) if silent >= 0.9 * FORGOTTEN => Meaning::Error,
        (Some(silent), _) if silent >= 0.75 * FORGOTTEN => Meaning::Warn,
        (_, "ESTABLISHED" | "ACTIVE") => Meaning::Good,
        (_, "SYN-SENT" | "SYN-RECEIVED" | "CLOSE-WAIT") => Meaning::Warn,
        (_, "FIN-WAIT-1" | "FIN-WAIT-2" | "LAST-ACK" | "CLOSING" | "TIME-WAIT") => Meaning::Dim,
        _ => Meaning::Text,
    }
}

/// What has ended fades; `None`: it has not.
fn fading(row: &Connection, cell: &Cell) -> Option<Meaning> {
    let ended = cell.now_ns.saturating_sub(row.ended_ns?) as f64 / 1e9;
    Some(if ended < FRESH { Meaning::Text } else { Meaning::Dim })
}

pub(super) fn rate(bytes_per_second: Option<f64>, cell: &Cell) -> String {
    bytes_per_second.map_or("–".into(), |rate| cell.units.rate(rate))
}

pub(super) fn amount(bytes: Option<u64>, cell: &Cell) -> String {
    bytes.map_or("–".into(), |bytes| cell.units.amount(bytes))
}

fn number(number: Option<u32>, cell: &Cell) -> String {
    number.map_or("–".into(), |number| format::count(number.into(), cell.width))
}

/// `0.12ms`, `38.4ms`, `2.05s`.
fn milliseconds(microseconds: Option<u32>) -> String {
    match microseconds.map(f64::from) {
        None => "–".into(),
        Some(us) if us < 9_995.0 => format!("{:.2}ms", us / 1e3),
        Some(us) if us < 99_950.0 => format!("{:.1}ms", us / 1e3),
        Some(us) if us < 999_500.0 => format!("{:.0}ms", us / 1e3),
        Some(us) => format!("{:.2}s", us / 1e6),
    }
}

fn opened(row: &Connection, cell: &Cell) -> String {
    if row.ended_ns.is_some() {
        return "–".into();
    }
    row.opened_ns.map_or("≥".into(), |opened| format::ago(cell.now_ns, opened))
}

#[cfg(test)]
mod tests {
    use nettop_model::format::Units;

    use super::*;
    use crate::attention::Attention;

    #[test]
    fn both_ends_fit_and_keep_their_port() {
        let attention = Attention::default();
        for (address, port, numeric, width, expected) in [
            ("192.0.2.1", 443, true, 21, "192.0.2.1:443"),
            ("192.0.2.1", 443, false, 21, "192.0.2.1:https"),
            ("192.0.2.1", 443, false, 13, "192.0.2.1:443"),
            ("192.0.2.1", 50_123, false, 21, "192.0.2.1:50123"),
            ("198.51.100.200", 50_123, false, 15, "198.….200:50123"),
            ("2001:db8::1", 443, true, 21, "[2001:db8::1]:443"),
            ("2001:db8:aaaa:bbbb::1", 443, true, 15, "[2001…b::1]:443"),
        ] {
            let (now_ns, packets, place, flags, units) = (0, 0, 1, false, Units::default());
            let cell =
                Cell { now_ns, packets, place, width, gateways: &[], flags, numeric, units, attention: &attention };
            let text = end(address.parse().ok(), Some(port), &cell);
            assert_eq!(text, expected);
            assert!(text::width(&text) <= width);
        }
    }

    #[test]
    fn the_default_gateway_is_marked_where_there_is_room() {
        let attention = Attention::default();
        let gateways: Vec<IpAddr> = ["192.0.2.1", "fe80::1", "198.51.100.200"].map(|ip| ip.parse().unwrap()).into();
        for (address, port, width, expected, country) in [
            ("192.0.2.1", 443, 21, "192.0.2.1:https gw", "GW"),
            ("192.0.2.1", 443, 17, "192.0.2.1:443 gw", "GW"),
            ("192.0.2.1", 443, 15, "192.0.2.1:https", "GW"),
            ("fe80::1", 53, 21, "[fe80::1]:dns gw", "GW"),
            ("198.51.100.200", 50_123, 21, "198.51.100.200:50123", "GW"),
            ("192.0.2.2", 443, 47, "192.0.2.2:https", "–"),
        ] {
            let (now_ns, packets, place, flags, numeric, units) = (0, 0, 1, false, false, Units::default());
            let gateways = gateways.as_slice();
            let cell = Cell { now_ns, packets, place, width, gateways, flags, numeric, units, attention: &attention };
            let row = Connection { remote: address.parse().ok(), remote_port: Some(port), ..Connection::default() };
            assert_eq!(remote(&row, &cell), expected);
            let column = COLUMNS.iter().find(|column| column.head.title == "CC").expect("a column");
            assert_eq!((column.cell)(&row, &cell), country, "{address}");
        }
    }

    #[test]
    fn sockets_without_ports_tell_what_they_take_and_where() {
        let attention = Attention::default();
        let any = Some(IpAddr::from([0; 4]));
        for (protocol, address, port, takes, interface, width, expected) in [
            ("TCP", any, 443, None, None, 21, "0.0.0.0:https"),
            ("RAW", any, 1, Some("ICMP"), None, 21, "0.0.0.0:ICMP"),
            ("RAW", "2001:db8:aaaa:bbbb::1".parse().ok(), 58, Some("ICMPv6"), None, 19, "[2001:…b::1]:ICMPv6"),
            ("ICMP", any, 53, None, None, 21, "0.0.0.0:53"),
            ("P_RAW", None, 3, Some("all"), None, 21, "all%*"),
            ("P_RAW", None, 3, Some("all"), Some("eth0\x1b"), 21, "all%eth0\\u{1b}"),
            ("P_DGR", None, 0x8863, Some("PPPoE discovery"), Some("eth0"), 15, "PPPoE…very%eth0"),
            ("P_DGR", None, 0x0806, Some("ARP"), Some("a-long-name"), 8, "%a-long…"),
        ] {
            let (now_ns, packets, place, flags, units) = (0, 0, 1, false, Units::default());
            let cell = Cell {
                now_ns,
                packets,
                place,
                width,
                gateways: &[],
                flags,
                numeric: false,
                units,
                attention: &attention,
            };
            let (takes, interface) = (takes.map(Into::into), interface.map(String::from));
            let row = Connection {
                protocol: protocol.into(),
                local: address,
                local_port: port,
                takes,
                interface,
                ..Connection::default()
            };
            assert_eq!(local(&row, &cell), expected);
        }
    }

    #[test]
    fn what_a_state_means_follows_from_it_and_from_silence() {
        let attention = Attention::default();
        let (now_ns, packets, place, width, flags, numeric, units) =
            (100_000_000_000, 0, 1, 12, false, true, Units::default());
        let cell = Cell { now_ns, packets, place, width, gateways: &[], flags, numeric, units, attention: &attention };
        let remote = Some(IpAddr::from([192, 0, 2, 1]));
        for (state, remote, silent, ended_s, expected) in [
            ("ESTABLISHED", remote, None, None, Meaning::Good),
            ("ACTIVE", remote, Some(1.0), None, Meaning::Good),
            ("IDLE", remote, Some(44.9), None, Meaning::Text),
            ("IDLE", remote, Some(45.0), None, Meaning::Warn),
            ("IDLE", remote, Some(54.0), None, Meaning::Error),
            ("STALE", remote, Some(4000.0), None, Meaning::Error),
            ("UNCONN", None, Some(4000.0), None, Meaning::Text),
            ("CLOSE-WAIT", remote, None, None, Meaning::Warn),
            ("TIME-WAIT", remote, None, None, Meaning::Dim),
            ("CLOSED", remote, None, Some(99), Meaning::Text),
            ("CLOSED", remote, None, Some(95), Meaning::Dim),
        ] {
            let ended_ns = ended_s.map(|second: u64| second * 1_000_000_000);
            let row = Connection { state: state.into(), remote, silent, ended_ns, ..Connection::default() };
            let found = fading(&row, &cell).unwrap_or_else(|| of_state(&row));
            assert_eq!(found, expected, "{state} {silent:?} {ended_s:?}");
        }
    }

    #[test]
    fn times_have_three_digits() {
        for (us, expected) in [
            (None, "–"),
            (Some(0), "0.00ms"),
            (Some(123), "0.12ms"),
            (Some(9_994), "9.99ms"),
            (Some(38_400), "38.4ms"),
            (Some(250_400), "250ms"),
            (Some(2_050_000), "2.05s"),
        ] {
            assert_eq!(milliseconds(us), expected);
        }
    }
}
