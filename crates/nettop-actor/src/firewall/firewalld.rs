//! firewalld (firewall-cmd(1)).

use std::path::Path;

use nettop_model::{net::Net, snapshot::With};

use super::{Command, Firewall, Step, is_v4};

pub const FIREWALL: Firewall = Firewall {
    with: With::Firewalld,
    // A rule that is there already keeps the time that it has; to remove what is not there is no error.
    block: |net, seconds| {
        let mut add = rule("add", net);
        add.arguments.push(format!("--timeout={seconds}"));
        vec![Step::Run(rule("remove", net)), Step::Run(add)]
    },
    unblock: |net| vec![Step::Run(rule("remove", net))],
    list: None,
    ends_by_itself: true,
    needs_root: true,
    is_in_use: || Path::new("/run/firewalld.pid").exists(),
};

fn rule(verb: &str, net: &Net) -> Command {
    let family = if is_v4(net) { "ipv4" } else { "ipv6" };
    let rule = format!("--{verb}-rich-rule=rule family=\"{family}\" source address=\"{net}\" drop");
    Command { program: "firewall-cmd", arguments: vec![rule] }
}
