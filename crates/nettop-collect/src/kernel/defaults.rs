//! The interfaces that are watched where none is named: all those by which the kernel would send to public addresses.

use std::io;

use anyhow::{Context as _, Result, bail};

use crate::netlink::{self, Interface, Ways};

/// Which ones they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// At least one.
    pub interfaces: Vec<Interface>,
    /// Why they may be the wrong ones; `None`: the kernel would send by all of them, and by no other.
    pub doubt: Option<String>,
}

/// Where no route tells, the first interface that is up.
///
/// # Errors
/// There is none to watch, or the kernel does not say.
pub fn defaults() -> Result<Defaults> {
    let routed = routed()?;
    if routed.usable.is_empty() { by_state(&routed) } else { Ok(routed.into_defaults()) }
}

/// What routes say.
pub struct Routed {
    /// Interfaces that can be watched.
    pub usable: Vec<Interface>,
    /// Why others cannot, or why there are none.
    pub obstacles: Vec<String>,
}

impl Routed {
    pub fn into_defaults(self) -> Defaults {
        Defaults { doubt: self.why(), interfaces: self.usable }
    }

    /// Why its interfaces are not all there are. That one family of addresses has no route is usual where the other has one.
    pub fn why(&self) -> Option<String> {
        (!self.obstacles.is_empty()).then(|| self.obstacles.join("; "))
    }
}

/// Asks the kernel which way it would send.
///
/// # Errors
/// It does not say.
pub fn routed() -> Result<Routed> {
    let ways = netlink::ways().context("asking the kernel which way it sends")?;
    let interfaces = ways.interfaces.iter().filter_map(|index| netlink::interface_by_index(*index).transpose());
    let interfaces = interfaces.collect::<io::Result<Vec<_>>>().context("looking at the interfaces it sends by")?;
    Ok(sort(&ways, interfaces))
}

fn sort(ways: &Ways, interfaces: Vec<Interface>) -> Routed {
    let why_not = |interface: &Interface| match interface {
        Interface { name, loopback: true, .. } => Some(format!("a route leads to the loopback {name}")),
        Interface { name, link: None, .. } => Some(format!("{name} has a kind of link that nettop cannot read")),
        _ => None,
    };
    let mut obstacles: Vec<_> = interfaces.iter().filter_map(why_not).collect();
    let usable: Vec<_> = interfaces.into_iter().filter(|interface| why_not(interface).is_none()).collect();
    if usable.is_empty() {
        obstacles.extend(ways.obstacles.iter().cloned());
        obstacles.dedup();
    }
    Routed { usable, obstacles }
}

/// The first interface that is up, better one with a carrier; which others there are.
///
/// # Errors
/// There is none, or the kernel does not say.
pub fn by_state(routed: &Routed) -> Result<Defaults> {
    first_up(&netlink::interfaces().context("listing the interfaces")?, routed.why())
}

fn first_up(interfaces: &[Interface], why: Option<String>) -> Result<Defaults> {
    let is_usable = |interface: &&Interface| interface.up && !interface.loopback && interface.link.is_some();
    let usable: Vec<_> = interfaces.iter().filter(is_usable).collect();
    let Some(first) = usable.iter().find(|interface| interface.has_carrier).or(usable.first()) else {
        let names: Vec<_> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
        bail!("no interface is up but loopback; name one with --iface: {}", names.join(", "))
    };
    let why = why.unwrap_or_else(|| "no route tells".into());
    let others: Vec<_> =
        usable.iter().filter(|other| other.index != first.index).map(|other| other.name.as_str()).collect();
    let which = match others.as_slice() {
        [] => format!("{} is the only interface that is up", first.name),
        others => format!("{} is only the first interface that is up, beside {}", first.name, some(others)),
    };
    Ok(Defaults { doubt: Some(format!("{why}; {which}")), interfaces: vec![(*first).clone()] })
}

/// Names, not too many of them.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    match names.get(SHOWN..) {
        None | Some([]) => names.join(", "),
        Some(others) => format!("{} and {} more", names[..SHOWN].join(", "), others.len()),
    }
}

#[cfg(test)]
mod tests {
    use nettop_common::LinkLayer;

    use super::*;

    /// Interfaces from words such as `2:eth0`, with `!` when down, `~` without a carrier, `*` a loopback, `?` of an unknown
    /// kind of link.
    fn interfaces(words: &str) -> Vec<Interface> {
        let interface = |word: &str| {
            let (index, name) = word.split_once(':').expect("an index and a name");
            Interface {
                index: index.parse().expect("an index"),
                name: name.trim_end_matches(['!', '~', '*', '?']).into(),
                up: !name.contains('!'),
                has_carrier: !name.contains(['!', '~']),
                loopback: name.contains('*'),
                link: (!name.contains('?')).then_some(LinkLayer::Ethernet),
                ..Interface::default()
            }
        };
        words.split_whitespace().map(interface).collect()
    }

    fn names(interfaces: &[Interface]) -> String {
        interfaces.iter().map(|interface| interface.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn all_interfaces_that_routes_lead_to_are_used_where_they_can_be() {
        let no_way = ["IPv4: there is no route", "IPv6: there is no route"];
        for (words, obstacles, usable, why) in [
            ("2:v0 3:v1", &[][..], "v0 v1", None),
            ("3:wg0", &no_way[1..], "wg0", None),
            // Down, it is still the way.
            ("2:v0!", &[], "v0", None),
            ("2:v0 3:can0?", &[], "v0", Some("can0 has a kind of link")),
            ("3:can0?", &[], "", Some("can0 has a kind of link")),
            ("1:lo*", &[], "", Some("the loopback lo")),
            ("", &no_way, "", Some("IPv4: there is no route; IPv6: there is no route")),
        ] {
            let obstacles = obstacles.iter().map(ToString::to_string).collect();
            let found = interfaces(words);
            let ways = Ways { interfaces: found.iter().map(|interface| interface.index).collect(), obstacles };
            let routed = sort(&ways, found);
            assert_eq!(names(&routed.usable), usable, "{words:?}");
            match (routed.why(), why) {
                (Some(found), Some(part)) => assert!(found.contains(part), "{words:?}: {found}"),
                (found, expected) => assert_eq!(found.as_deref(), expected, "{words:?}"),
            }
        }
    }

    #[test]
    fn without_a_route_it_is_said_which_interface_was_taken_and_which_others_there_are() {
        for (words, taken, says) in [
            ("1:lo* 2:eth0", "eth0", &["no route", "eth0 is the only interface"][..]),
            ("1:lo* 2:eth0 3:eth1", "eth0", &["eth0 is only the first", "beside eth1"]),
            // A bridge of containers without any.
            ("1:lo* 2:docker0~ 3:eth0", "eth0", &["beside docker0"]),
            ("2:eth0! 3:eth1~", "eth1", &["eth1 is the only"]),
            ("2:can0? 3:eth1", "eth1", &["eth1 is the only"]),
            ("2:a 3:b 4:c 5:d 6:e 7:f 8:g 9:h", "a", &["b, c, d, e, f and 2 more"]),
        ] {
            let found = first_up(&interfaces(words), Some("IPv4: there is no route".into())).expect("one of them");
            assert_eq!(names(&found.interfaces), taken, "{words}");
            let doubt = found.doubt.expect("a doubt");
            assert!(says.iter().all(|part| doubt.contains(part)), "{words}: {doubt}");
        }
        for words in ["", "1:lo*", "1:lo* 2:eth0!", "2:can0?"] {
            let error = first_up(&interfaces(words), None).expect_err("there is none");
            assert!(error.to_string().contains("no interface is up"), "{words}: {error}");
        }
    }
}
