//! Prefixes as people write them. A prefix is of one family: what is written in IPv4-mapped form is of IPv4.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// A prefix, or an address as one; `None`: it is neither.
pub fn parse(text: &str) -> Option<IpNet> {
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some(canonical(net))
}

/// The prefix of IPv4 that an IPv4-mapped one means (RFC 4291 §2.5.5.2); any other as it is.
pub fn canonical(net: IpNet) -> IpNet {
    let mapped = match net {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    mapped.and_then(|(v4, length)| Ipv4Net::new(v4, length).ok()).map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_is_of_ipv4() {
        for (text, expected) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.0.0.1", Some("10.0.0.1/32")),
            ("::ffff:10.0.0.0/104", Some("10.0.0.0/8")),
            ("::ffff:10.0.0.1", Some("10.0.0.1/32")),
            ("::ffff:0:0/96", Some("0.0.0.0/0")),
            ("::ffff:0:0/95", Some("::ffff:0.0.0.0/95")),
            ("::/0", Some("::/0")),
            ("2001:db8::1", Some("2001:db8::1/128")),
            ("10.0.0.0/33", None),
            ("10.0.0", None),
        ] {
            assert_eq!(parse(text).map(|net| net.to_string()).as_deref(), expected, "{text}");
        }
    }
}
