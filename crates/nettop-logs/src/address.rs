//! Addresses as logs have them, made canonical once, at the edge: what compares them afterwards never sees another form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nettop_model::net::Net;

/// The address that a text is, without brackets, zone and port, and as IPv4 where it is IPv4-mapped. `None`: it is none; nobody guesses, and
/// nothing is resolved.
pub fn canonical(text: &str) -> Option<IpAddr> {
    let text = text.trim_ascii();
    if let Some(rest) = text.strip_prefix('[') {
        let (inner, after) = rest.split_once(']')?;
        let is_port = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        return is_port.then(|| v6(inner)).flatten();
    }
    // Only of IPv4 a colon can be nothing but the beginning of a port.
    match text.split_once(':') {
        Some((host, port)) if host.contains('.') && is_port(port) => host.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        Some(_) => v6(text),
        None => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
    }
}

fn v6(text: &str) -> Option<IpAddr> {
    let bare = match text.split_once('%') {
        Some((bare, zone)) if !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_graphic()) => bare,
        Some(_) => return None,
        None => text,
    };
    bare.parse::<Ipv6Addr>().ok().map(|ip| IpAddr::from(ip).to_canonical())
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Who a request is from: the peer of the connection, unless that is a trusted proxy; then whoever that says it is for, by the rightmost address of the
/// list that is none of the trusted ones. What stands left of that is the client's own claim.
pub fn client(peer: IpAddr, forwarded: &str, trusted: &[Net]) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(*ip));
    let mut nearest = peer;
    if !is_trusted(&peer) {
        return peer;
    }
    for text in forwarded.rsplit(',') {
        // What is no address ends the chain of those who are believed.
        let Some(ip) = canonical(text) else { break };
        nearest = ip;
        if !is_trusted(&ip) {
            break;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_what_is_not_theirs_and_what_is_none_is_none() {
        for (text, expected) in [
            ("1.2.3.4", Some("1.2.3.4")),
            ("1.2.3.4:80", Some("1.2.3.4")),
            ("[1.2.3.4]:80", None),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("2001:db8::1:443", Some("2001:db8::1:443")),
            ("::ffff:1.2.3.4", Some("1.2.3.4")),
            ("[::ffff:1.2.3.4]:5", Some("1.2.3.4")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("fe80::1%", None),
            ("", None),
            ("-", None),
            ("$(id)", None),
            ("1.2.3.4;x", None),
            ("1.2.3.4:", None),
            ("1.2.3.4:123456", None),
            ("192.030.0.6", None),
            ("1.2.3", None),
            ("16909060", None),
            ("0x1.2.3.4", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]x", None),
            ("example.com", None),
            ("unix:", None),
        ] {
            assert_eq!(canonical(text).map(|ip| ip.to_string()).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_proxy_is_believed_only_where_it_is_trusted() {
        let trusted: [Net; 2] = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        for (name, peer, forwarded, expected) in [
            ("rightmost that is not trusted", "10.0.0.9", "6.6.6.6, 203.0.113.7, 10.0.0.8", "203.0.113.7"),
            ("peer is nobody that is trusted", "198.51.100.1", "6.6.6.6, 203.0.113.7", "198.51.100.1"),
            ("no header", "10.0.0.9", "", "10.0.0.9"),
            ("all of them trusted", "10.0.0.9", "10.0.0.7, 10.0.0.8", "10.0.0.7"),
            ("something else ends it", "10.0.0.9", "203.0.113.7, unknown", "10.0.0.9"),
            ("after a trusted one, too", "10.0.0.9", "203.0.113.7, x, 10.0.0.8", "10.0.0.8"),
            ("with ports and brackets", "2001:db8::9", "[2620:fe::fe]:443", "2620:fe::fe"),
        ] {
            let found = client(peer.parse().unwrap(), forwarded, &trusted);
            assert_eq!(found.to_string(), expected, "{name}");
        }
    }
}
