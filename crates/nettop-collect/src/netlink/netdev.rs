//! What the driver of an interface can do with XDP, before anything is attached: the kernel's generic netlink family
//! `netdev` tells, from Linux 6.3 on. Numbers are those of `linux/genetlink.h` and `linux/netdev.h`.

use std::io;

use netlink_sys::protocols::NETLINK_GENERIC;

use crate::netlink::{ask, attribute, attributes};

/// `genlmsghdr`, which is before the attributes: command, version.
const HEADER: usize = 4;
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
/// `NETDEV_XDP_ACT_BASIC`: the driver runs programs itself.
const BASIC: u64 = 1;

/// Whether the driver of this interface runs XDP programs natively; `None` before Linux 6.3, which does not tell.
///
/// # Errors
/// What the kernel says.
pub fn is_native(index: u32) -> io::Result<Option<bool>> {
    let family = match get(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, b"netdev\0") {
        Ok(answer) => value(&answer, CTRL_ATTR_FAMILY_ID).map(u16::from_ne_bytes),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => None,
        Err(error) => return Err(error),
    };
    let Some(family) = family else { return Ok(None) };
    let answer = get(family, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, &index.to_ne_bytes())?;
    Ok(value(&answer, NETDEV_A_DEV_XDP_FEATURES).map(|features| u64::from_ne_bytes(features) & BASIC != 0))
}

/// Sends a command with one attribute, and returns the answer.
fn get(family: u16, command: u8, kind: u16, value: &[u8]) -> io::Result<Vec<u8>> {
    let mut request = vec![command, 1, 0, 0];
    attribute(&mut request, kind, value);
    ask(NETLINK_GENERIC, family, request)
}

/// The value of the first attribute of this kind, when it is as long as it should be.
fn value<const N: usize>(answer: &[u8], wanted: u16) -> Option<[u8; N]> {
    let (_, value) = attributes(answer.get(HEADER..)?).find(|(kind, _)| *kind == wanted)?;
    value.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_and_those_of_another_length_are_not() {
        let message = |attributes: &[&[u8]]| [&[0; HEADER][..], &attributes.concat()].concat();
        let (small, large): (&[u8], &[u8]) = (&[6, 0, 1, 0, 7, 8, 0, 0], &[12, 0, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        for (name, message, expected) in [
            ("first", message(&[small, large]), Some([7, 8])),
            ("second", message(&[large, small]), Some([7, 8])),
            ("none", message(&[large]), None),
            ("of another length", message(&[&[8, 0, 1, 0, 1, 2, 3, 4]]), None),
            ("longer than the message", message(&[&[60, 0, 1, 0, 1, 2]]), None),
            ("nothing", Vec::new(), None),
        ] {
            assert_eq!(value::<2>(&message, 1), expected, "{name}");
        }
        assert_eq!(value::<8>(&message(&[small, large]), 3), Some([1, 2, 3, 4, 5, 6, 7, 8]));
    }

    #[test]
    fn every_kernel_answers_or_says_that_it_does_not_know() {
        // The loopback of any network namespace.
        assert!(matches!(is_native(1), Ok(None | Some(false))), "{:?}", is_native(1));
    }
}
