//! Generic netlink: families that are found by their names. Numbers are those of `linux/genetlink.h`.

use std::io;

use netlink_sys::protocols::NETLINK_GENERIC;

use super::{
    attributes::{attribute, attributes},
    exchange::ask,
};

/// Bytes of `genlmsghdr`, which is before the attributes: command, version.
pub const HEADER: usize = 4;

const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// The number of the family with this name, a zero byte at its end; `None`: this kernel has none.
///
/// # Errors
/// What the kernel says.
pub fn family(name: &[u8]) -> io::Result<Option<u16>> {
    match get(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, name) {
        Ok(answer) => Ok(value(&answer, CTRL_ATTR_FAMILY_ID).map(u16::from_ne_bytes)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A command without attributes.
pub fn request(command: u8) -> Vec<u8> {
    vec![command, 1, 0, 0]
}

/// Sends a command with one attribute, and returns the answer.
///
/// # Errors
/// What the kernel says.
pub fn get(family: u16, command: u8, kind: u16, value: &[u8]) -> io::Result<Vec<u8>> {
    let mut request = request(command);
    attribute(&mut request, kind, value);
    ask(NETLINK_GENERIC, family, request)
}

/// The value of the first attribute of this kind, when it is as long as it should be.
pub fn value<const N: usize>(answer: &[u8], wanted: u16) -> Option<[u8; N]> {
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
}
