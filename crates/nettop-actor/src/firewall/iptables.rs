//! iptables and ip6tables (iptables(8)).

use nettop_model::{net::Net, snapshot::With};

use super::{Command, Firewall, Step, has_line, is_v4};

pub const FIREWALL: Firewall = Firewall {
    with: With::Iptables,
    // A rule that is there already is not put there twice.
    block: |net, _| vec![Step::Unless(rule("-C", net), rule("-I", net))],
    unblock: |net| vec![Step::Run(rule("-D", net))],
    list: None,
    ends_by_itself: false,
    needs_root: true,
    is_in_use: || {
        ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"].iter().any(|path| has_line(path, |_| true))
    },
};

/// The comment tells our rules from those of others.
fn rule(verb: &str, net: &Net) -> Command {
    let program = if is_v4(net) { "iptables" } else { "ip6tables" };
    Command::new(program, &format!("-w {verb} INPUT -s {net} -m comment --comment nettop -j DROP"))
}
