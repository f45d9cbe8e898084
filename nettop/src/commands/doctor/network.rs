//! The interfaces, and those that are watched by default.

use std::{fs, path::Path};

use nettop_collect::{
    flows::{FlowSettings, Settings},
    kernel::{self, Defaults},
    netlink::{self, Interface, netdev},
};
use nettop_process::shell;

use super::Finding;

/// Interfaces that are listed: a host of containers has thousands.
const MOST_INTERFACES: usize = 32;

/// Which ones they are.
pub fn interface() -> Finding {
    match kernel::defaults() {
        Ok(Defaults { interfaces, doubt }) => {
            let states: Vec<_> = interfaces.iter().map(state).collect();
            // It starts all the same.
            let doubt = doubt.map_or(String::new(), |doubt| format!(", but it may be the wrong one: {doubt}"));
            Finding::good(states.join(", ") + &doubt)
        }
        Err(error) => Finding::failed(&error, "name one with --iface"),
    }
}

fn state(Interface { name, up, mtu, .. }: &Interface) -> String {
    match up {
        true => format!("{name} is up, MTU {mtu}"),
        false => format!("{name}, which is down: packets come when it is up (ip link set {} up)", shell::word(name)),
    }
}

/// Their drivers, and whether these run XDP programs themselves.
pub fn driver() -> Finding {
    of_defaults(driver_of)
}

fn driver_of(Interface { name, index, .. }: &Interface) -> Finding {
    let who = driver_name(name, *index)
        .map_or_else(|| format!("the driver of {name}"), |driver| format!("{driver} ({name})"));
    match netdev::is_native(*index) {
        Ok(Some(true)) => Finding::good(format!("{who} can run XDP natively, if its offloads and the MTU allow it")),
        Ok(Some(false)) => Finding::missing(
            format!("{who} has no native XDP; nettop uses generic XDP, which costs more per packet"),
            "another network card or driver would be cheaper",
        ),
        Ok(None) => {
            Finding::Unknown(format!("{who}: this kernel tells only when nettop attaches whether XDP is native"))
        }
        Err(error) => Finding::Unknown(format!("{who}: {error}")),
    }
}

/// What there is to say of all interfaces that are watched by default, the worst first.
fn of_defaults(look: fn(&Interface) -> Finding) -> Finding {
    let Ok(Defaults { interfaces, .. }) = kernel::defaults() else {
        return Finding::Unknown("there is no interface".into());
    };
    let (mut good, mut unknown, mut missing, mut remedies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for finding in interfaces.iter().map(look) {
        match finding {
            Finding::Good(text) => good.push(text),
            Finding::Unknown(text) => unknown.push(text),
            Finding::Missing { what, remedy } => {
                missing.push(what);
                remedies.push(remedy);
            }
        }
    }
    remedies.dedup();
    let is_missing = !missing.is_empty();
    let text = [missing, unknown.clone(), good].concat().join(", ");
    match (is_missing, unknown.is_empty()) {
        (true, _) => Finding::missing(text, remedies.join("; ")),
        (false, false) => Finding::Unknown(text),
        (false, true) => Finding::good(text),
    }
}

/// Every interface: its driver, how XDP would run there, and what runs there already.
pub fn interfaces() -> Finding {
    let mut interfaces = match netlink::interfaces() {
        Ok(interfaces) => interfaces,
        Err(error) => return Finding::Unknown(format!("the kernel does not list them: {error}")),
    };
    let others = interfaces.len().saturating_sub(MOST_INTERFACES);
    interfaces.truncate(MOST_INTERFACES);
    let mut rows: Vec<_> = interfaces.iter().map(describe).collect();
    if others > 0 {
        rows.push(format!("and {others} more"));
    }
    Finding::good(rows.join(", "))
}

fn describe(interface: &Interface) -> String {
    let Interface { name, index, up, link, xdp_programs, .. } = interface;
    let mode = match netdev::is_native(*index) {
        _ if link.is_none() => "a kind of link that nettop cannot read",
        Ok(Some(true)) => "native",
        Ok(Some(false)) => "generic",
        Ok(None) | Err(_) => "native or generic",
    };
    let mut text = match driver_name(name, *index) {
        Some(driver) => format!("{name} ({driver}): {mode}"),
        None => format!("{name}: {mode}"),
    };
    if !up {
        text.push_str(", down");
    }
    if !xdp_programs.is_empty() {
        let programs: Vec<_> = xdp_programs.iter().map(|id| kernel::describe_program(*id)).collect();
        text.push_str(&format!(", taken by {}", programs.join(" and ")));
    }
    text
}

/// The driver's name, for hardware, when `/sys` shows this network namespace.
fn driver_name(name: &str, index: u32) -> Option<String> {
    let folder = Path::new("/sys/class/net").join(name);
    let shown = fs::read_to_string(folder.join("ifindex")).ok()?;
    if shown.trim() != index.to_string() {
        return None;
    }
    let driver = fs::read_link(folder.join("device/driver")).ok()?;
    Some(driver.file_name()?.to_string_lossy().into_owned())
}

/// How connection tracking is set.
pub fn flows() -> Finding {
    let Some(mut settings) = Settings::open() else {
        return Finding::good("this kernel keeps track of no connections: there are no flows to list");
    };
    let FlowSettings { count, max, acct, events, forwards, .. } = settings.read();
    let (count, max) = (count.unwrap_or_default(), max.unwrap_or_default());
    let of = format!("{count} of {max} flows");
    match (acct, events) {
        _ if count == 0 && !forwards => Finding::good(format!("{of}, and this host forwards nothing")),
        (Some(false), _) => Finding::missing(
            format!("{of}; packets and bytes of flows are not counted"),
            "sysctl net.netfilter.nf_conntrack_acct=1, for flows that begin afterwards",
        ),
        (_, Some(false)) => Finding::missing(
            format!("{of}; it is not told that flows begin and end"),
            "sysctl net.netfilter.nf_conntrack_events=2",
        ),
        _ => Finding::good(of),
    }
}

/// Who is attached to them.
pub fn other_programs() -> Finding {
    of_defaults(|Interface { name, xdp_programs, .. }| {
        if xdp_programs.is_empty() {
            return Finding::good(format!("none on {name}"));
        }
        let programs: Vec<_> = xdp_programs.iter().map(|id| kernel::describe_program(*id)).collect();
        Finding::missing(
            format!("{name} has {}", programs.join(" and ")),
            format!(
                "end its owner (nettopctl stop, if it is a nettop), or `ip link set dev {} xdp off` if nobody owns it",
                shell::word(name)
            ),
        )
    })
}
