//! The speed of links, from the generic netlink family `ethtool`, Linux 5.6 on. Numbers are those of
//! `linux/ethtool_netlink.h`.

use std::{collections::BTreeMap, io};

use netlink_sys::protocols::NETLINK_GENERIC;

use super::{
    attributes::{attributes, number},
    exchange::dump,
    generic,
};

const ETHTOOL_MSG_LINKMODES_GET: u8 = 4;
const ETHTOOL_A_LINKMODES_HEADER: u16 = 1;
const ETHTOOL_A_LINKMODES_SPEED: u16 = 5;
const ETHTOOL_A_HEADER_DEV_INDEX: u16 = 1;
/// `SPEED_UNKNOWN`.
const UNKNOWN: u32 = u32::MAX;
/// The bits of a kind that are flags (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const FLAGS: u16 = 0xc000;

/// Mbit/s by index, of the interfaces that tell.
///
/// # Errors
/// What the kernel says, other than that it has no such family.
pub fn speeds() -> io::Result<BTreeMap<u32, u32>> {
    let Some(family) = generic::family(b"ethtool\0")? else { return Ok(BTreeMap::new()) };
    let answers = dump(NETLINK_GENERIC, family, &generic::request(ETHTOOL_MSG_LINKMODES_GET))?;
    let mut speeds = BTreeMap::new();
    speeds.extend(answers.iter().filter_map(|answer| speed(answer.get(generic::HEADER..)?)));
    Ok(speeds)
}

/// The index of an interface, and the speed of its link.
fn speed(message: &[u8]) -> Option<(u32, u32)> {
    let (mut index, mut speed) = (None, None);
    for (kind, value) in attributes(message) {
        match kind & !FLAGS {
            ETHTOOL_A_LINKMODES_HEADER => {
                let of_header = attributes(value).find(|(kind, _)| kind & !FLAGS == ETHTOOL_A_HEADER_DEV_INDEX);
                index = of_header.and_then(|(_, index)| number(index));
            }
            ETHTOOL_A_LINKMODES_SPEED => speed = number(value).filter(|speed| ![0, UNKNOWN].contains(speed)),
            _ => {}
        }
    }
    Some((index?, speed?))
}

#[cfg(test)]
mod tests {
    use super::{super::attributes::attribute, *};

    #[test]
    fn speeds_are_found() {
        let message = |index: Option<u32>, speed: Option<u32>| {
            let (mut header, mut message) = (Vec::new(), Vec::new());
            index.iter().for_each(|index| attribute(&mut header, ETHTOOL_A_HEADER_DEV_INDEX, &index.to_ne_bytes()));
            attribute(&mut message, ETHTOOL_A_LINKMODES_HEADER | 0x8000, &header);
            speed.iter().for_each(|speed| attribute(&mut message, ETHTOOL_A_LINKMODES_SPEED, &speed.to_ne_bytes()));
            message
        };
        for (name, message, expected) in [
            ("both", message(Some(3), Some(10_000)), Some((3, 10_000))),
            ("a link that is down", message(Some(3), Some(UNKNOWN)), None),
            ("none", message(Some(3), None), None),
            ("of nobody", message(None, Some(1000)), None),
            ("nothing", Vec::new(), None),
        ] {
            assert_eq!(speed(&message), expected, "{name}");
        }
    }

    #[test]
    fn every_kernel_answers_or_has_no_such_family() {
        assert!(speeds().is_ok(), "{:?}", speeds());
    }
}
