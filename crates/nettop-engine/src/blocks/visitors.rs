//! Whom a block would hit beside: addresses that make ordinary requests, as logs tell.

use std::net::IpAddr;

use nettop_model::net::Net;

/// How many of these addresses are in a prefix. `all`: in order, each with how many it stands for.
pub fn visitors(all: &[(IpAddr, u64)], net: &Net) -> u64 {
    let from = all.partition_point(|(ip, _)| *ip < net.first());
    let inside = all[from..].iter().take_while(|(ip, _)| *ip <= net.last());
    inside.map(|(_, count)| count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_in_a_prefix_are_counted() {
        let all = ["10.0.0.9", "192.0.2.0", "192.0.2.255", "192.0.3.0", "2001:db8::1", "2001:db8:1::"];
        let all: Vec<_> =
            all.iter().map(|text| (text.parse().unwrap(), if *text == "10.0.0.9" { 5 } else { 1 })).collect();
        for (net, expected) in [
            ("192.0.2.0/24", 2),
            ("192.0.2.0/23", 3),
            ("192.0.2.7", 0),
            ("192.0.2.255", 1),
            ("10.0.0.0/8", 5),
            ("0.0.0.0/0", 8),
            ("2001:db8::/48", 1),
            ("2001:db8::/32", 2),
            ("::/0", 2),
        ] {
            assert_eq!(visitors(&all, &net.parse().unwrap()), expected, "{net}");
        }
    }
}
