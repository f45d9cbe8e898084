//! nftables (nft(8)): a table of our own, in which addresses end by themselves.
//!
//! What is there is made anew by each command, in one transaction, so that no command depends on an earlier one: adding what there is
//! does nothing, and the chain is emptied before its rules are added. No `auto-merge`: it gives merged neighbours one time.

use std::path::Path;

use nettop_model::{net::Net, snapshot::With};
use serde::Deserialize;

use super::{Command, Firewall, List, Step, is_v4};
use crate::job::Element;

pub const FIREWALL: Firewall = Firewall {
    with: With::Nft,
    block: |net, seconds| {
        let set = set(net);
        // Added, deleted and added: renewed, if it was there; else deleting would fail.
        let renewed = format!(
            "{TABLE}; add element inet nettop {set} {{ {net} timeout {seconds}s }}; \
             delete element inet nettop {set} {{ {net} }}; add element inet nettop {set} {{ {net} timeout {seconds}s }}"
        );
        vec![Step::Run(nft(renewed))]
    },
    // Likewise: it may have ended by itself.
    unblock: |net| {
        let set = set(net);
        let gone = format!(
            "{TABLE}; add element inet nettop {set} {{ {net} timeout 1m }}; delete element inet nettop {set} {{ {net} }}"
        );
        vec![Step::Run(nft(gone))]
    },
    list: Some(List { command: || Command::new("nft", "-j list table inet nettop"), read }),
    ends_by_itself: true,
    needs_root: false,
    is_in_use: || Path::new("/proc/net/netfilter").exists() || Path::new("/etc/nftables.conf").exists(),
};

/// Addresses in hashes, prefixes in trees. The drop comes before the filters of others (priority -300 is the first of these), and goes for
/// what is forwarded to containers, too.
const TABLE: &str = "add table inet nettop; \
    add set inet nettop v4 { type ipv4_addr; flags timeout; counter; }; \
    add set inet nettop v6 { type ipv6_addr; flags timeout; counter; }; \
    add set inet nettop nets4 { type ipv4_addr; flags interval, timeout; counter; }; \
    add set inet nettop nets6 { type ipv6_addr; flags interval, timeout; counter; }; \
    add chain inet nettop blocks { type filter hook prerouting priority -310; }; \
    flush chain inet nettop blocks; \
    add rule inet nettop blocks ip saddr @v4 drop; \
    add rule inet nettop blocks ip6 saddr @v6 drop; \
    add rule inet nettop blocks ip saddr @nets4 drop; \
    add rule inet nettop blocks ip6 saddr @nets6 drop";

/// One argument: nft reads commands as it does those of a file.
fn nft(commands: String) -> Command {
    Command { program: "nft", arguments: vec![commands] }
}

fn set(net: &Net) -> &'static str {
    match (net.is_address(), is_v4(net)) {
        (true, true) => "v4",
        (true, false) => "v6",
        (false, true) => "nets4",
        (false, false) => "nets6",
    }
}

/// Reads the JSON of libnftables-json(5).
fn read(text: &str) -> Result<Vec<Element>, String> {
    #[derive(Deserialize)]
    struct Listing {
        nftables: Vec<Object>,
    }
    #[derive(Deserialize)]
    struct Object {
        set: Option<Set>,
    }
    #[derive(Deserialize)]
    struct Set {
        #[serde(default)]
        elem: Vec<Entry>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Entry {
        Timed {
            elem: Timed,
        },
        /// Somebody else's, without a time: it is no block of ours.
        #[expect(dead_code, reason = "read, whatever it is")]
        Other(serde_json::Value),
    }
    #[derive(Deserialize)]
    struct Timed {
        val: Value,
        expires: Option<u64>,
        counter: Option<Counter>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        Address(Net),
        Prefix {
            prefix: Prefix,
        },
        #[expect(dead_code, reason = "a range, which we never make")]
        Other(serde_json::Value),
    }
    #[derive(Deserialize)]
    struct Prefix {
        addr: std::net::IpAddr,
        len: u8,
    }
    #[derive(Deserialize)]
    struct Counter {
        packets: u64,
    }
    let Listing { nftables } =
        serde_json::from_str(text).map_err(|error| format!("nft does not print the JSON that it should: {error}"))?;
    let entries = nftables.into_iter().filter_map(|object| object.set).flat_map(|set| set.elem);
    let element = |entry| {
        let Entry::Timed { elem: Timed { val, expires, counter } } = entry else { return None };
        let net = match val {
            Value::Address(net) => net,
            Value::Prefix { prefix: Prefix { addr, len } } => format!("{addr}/{len}").parse().ok()?,
            Value::Other(_) => return None,
        };
        Some(Element { net, left: expires?, packets: counter.map(|counter| counter.packets) })
    };
    Ok(entries.filter_map(element).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nft_prints_is_read() {
        let text = r#"{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
            {"table": {"family": "inet", "name": "nettop", "handle": 5}},
            {"set": {"family": "inet", "name": "v4", "type": "ipv4_addr", "flags": ["timeout"], "elem": [
                {"elem": {"val": "192.0.2.1", "timeout": 600, "expires": 598, "counter": {"packets": 3, "bytes": 180}}},
                {"elem": {"val": "192.0.2.2", "timeout": 600, "expires": 20}}, "192.0.2.3"]}},
            {"set": {"name": "nets6", "elem": [
                {"elem": {"val": {"prefix": {"addr": "2001:db8::", "len": 48}}, "timeout": 60, "expires": 59}},
                {"elem": {"val": {"range": ["2001:db9::1", "2001:db9::9"]}, "timeout": 60, "expires": 59}}]}},
            {"set": {"name": "v6"}},
            {"chain": {"family": "inet", "table": "nettop", "name": "blocks", "prio": -310}}]}"#;
        let found: Vec<_> =
            read(text).unwrap().into_iter().map(|found| (found.net.to_string(), found.left, found.packets)).collect();
        let expected = [("192.0.2.1", 598, Some(3)), ("192.0.2.2", 20, None), ("2001:db8::/48", 59, None)];
        assert_eq!(found, expected.map(|(net, left, packets)| (net.to_string(), left, packets)));
        for wrong in ["", "{}", "Error: No such file or directory"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_family_has_sets_of_its_own() {
        for (text, part) in [
            ("192.0.2.1", "nettop v4 { 192.0.2.1 timeout 600s }"),
            ("2001:db8::1", "nettop v6 { 2001:db8::1 timeout 600s }"),
            ("192.0.2.0/24", "nettop nets4 { 192.0.2.0/24 timeout 600s }"),
            ("2001:db8::/48", "nettop nets6 { 2001:db8::/48 timeout 600s }"),
        ] {
            let line = super::super::line(&(FIREWALL.block)(&text.parse().unwrap(), 600));
            assert!(line.starts_with("nft 'add table inet nettop;") && line.contains(part), "{line}");
        }
    }
}
