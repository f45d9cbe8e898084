//! ufw (ufw(8)).

use nettop_model::snapshot::With;

use super::{Command, Firewall, Step, has_line};

pub const FIREWALL: Firewall = Firewall {
    with: With::Ufw,
    // In front of all others: the first that matches decides. Again, it says that it is there already, and is content.
    block: |net, _| vec![Step::Run(Command::new("ufw", &format!("prepend deny from {net} comment nettop")))],
    unblock: |net| vec![Step::Run(Command::new("ufw", &format!("delete deny from {net}")))],
    list: None,
    ends_by_itself: false,
    needs_root: true,
    is_in_use: || has_line("/etc/ufw/ufw.conf", |line| line.eq_ignore_ascii_case("enabled=yes")),
};
