//! Command lines that block an address elsewhere than here: shown, and run by nobody.

use std::time::Duration;

use nettop_model::{net::Net, request::block};

/// A firewall, and the words of its commands: `add` and `remove`. A new one is a row.
struct Firewall {
    name: &'static str,
    add: fn(&Net, Duration) -> String,
    remove: fn(&Net) -> String,
}

const FIREWALLS: &[Firewall] = &[
    Firewall {
        name: "nft",
        add: |net, time| {
            let (family, set, kind) = words(net);
            // Each command may be repeated. The drop comes before the filters of others, and goes for containers, too.
            format!(
                "nft 'add table inet nettop; \
                 add set inet nettop {set} {{ type {kind}; flags interval,timeout; }}; \
                 add chain inet nettop blocks_{set} {{ type filter hook prerouting priority -310; }}; \
                 flush chain inet nettop blocks_{set}; \
                 add rule inet nettop blocks_{set} {family} saddr @{set} counter drop; \
                 add element inet nettop {set} {{ {net} timeout {} }}'",
                block::shown(time)
            )
        },
        remove: |net| format!("nft 'delete element inet nettop {} {{ {net} }}'", words(net).1),
    },
    Firewall {
        name: "iptables",
        add: |net, _| format!("{} -w -I INPUT -s {net} -j DROP", iptables(net)),
        remove: |net| format!("{} -w -D INPUT -s {net} -j DROP", iptables(net)),
    },
    Firewall {
        name: "ip route",
        add: |net, _| format!("ip {} route replace blackhole {net}", route(net)),
        remove: |net| format!("ip {} route del blackhole {net}", route(net)),
    },
];

/// Of each firewall: its name, what blocks, and what ends that.
pub fn commands(net: &Net, time: Duration) -> impl Iterator<Item = (&'static str, String, String)> {
    FIREWALLS.iter().map(move |Firewall { name, add, remove }| (*name, add(net, time), remove(net)))
}

/// How nft calls the family, our set, and the kind of its elements.
fn words(net: &Net) -> (&'static str, &'static str, &'static str) {
    if net.first().is_ipv4() { ("ip", "v4", "ipv4_addr") } else { ("ip6", "v6", "ipv6_addr") }
}

fn iptables(net: &Net) -> &'static str {
    if net.first().is_ipv4() { "iptables" } else { "ip6tables" }
}

fn route(net: &Net) -> &'static str {
    if net.first().is_ipv4() { "-4" } else { "-6" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_its_words() {
        for (net, parts) in [
            (
                "192.0.2.1",
                [
                    "{ 192.0.2.1 timeout 10m }",
                    "iptables -w -I INPUT -s 192.0.2.1 -j DROP",
                    "ip -4 route replace blackhole 192.0.2.1",
                ],
            ),
            ("192.0.2.0/24", ["ip saddr @v4", "-s 192.0.2.0/24", "blackhole 192.0.2.0/24"]),
            ("2001:db8::/48", ["ip6 saddr @v6", "ip6tables -w -I", "ip -6 route replace"]),
        ] {
            let all: Vec<_> = commands(&net.parse().unwrap(), Duration::from_secs(600)).collect();
            for ((_, add, remove), part) in all.iter().zip(parts) {
                assert!(add.contains(part), "{net}: {add}");
                assert!(remove.contains(net), "{remove}");
            }
        }
    }
}
