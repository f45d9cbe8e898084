//! The interface that is watched by default.

use std::{fs, path::Path};

use super::Finding;
use crate::source::xdp::{self, netlink::Interface};

/// Which one it is.
pub fn interface() -> Finding {
    match xdp::default_interface() {
        Ok(Interface { name, link: None, .. }) => {
            Finding::missing(format!("{name} has a kind of link that nettop cannot read"), "name another with --iface")
        }
        Ok(Interface { name, up: false, .. }) => {
            Finding::good(format!("{name}, which is down: packets come when it is up (ip link set {name} up)"))
        }
        Ok(Interface { name, mtu, .. }) => Finding::good(format!("{name} is up, MTU {mtu}")),
        Err(error) => Finding::missing(format!("none: {error:#}"), "name one with --iface"),
    }
}

/// Its driver.
pub fn driver() -> Finding {
    let Ok(Interface { name, index, .. }) = xdp::default_interface() else {
        return Finding::Unknown("there is no interface".into());
    };
    let folder = Path::new("/sys/class/net").join(&name);
    let shown = fs::read_to_string(folder.join("ifindex")).unwrap_or_default();
    if shown.trim() != index.to_string() {
        return Finding::Unknown(format!("{name} is not in /sys, which shows another network namespace"));
    }
    const LATER: &str = "whether it takes XDP natively shows when nettop attaches; if not, generic XDP is used";
    match fs::read_link(folder.join("device/driver")).ok().as_deref().and_then(Path::file_name) {
        Some(driver) => Finding::good(format!("{name} has {}; {LATER}", driver.display())),
        None => Finding::good(format!("{name} is virtual; {LATER}")),
    }
}

/// Who is attached to it.
pub fn other_programs() -> Finding {
    let Ok(Interface { name, xdp_programs, .. }) = xdp::default_interface() else {
        return Finding::Unknown("there is no interface".into());
    };
    if xdp_programs.is_empty() {
        return Finding::good(format!("none on {name}"));
    }
    let programs: Vec<_> = xdp_programs.iter().map(|id| xdp::describe_program(*id)).collect();
    Finding::missing(
        format!("{name} has {}", programs.join(" and ")),
        format!(
            "end its owner (nettopctl stop, if it is a nettop), or `ip link set dev {name} xdp off` if nobody owns it"
        ),
    )
}
