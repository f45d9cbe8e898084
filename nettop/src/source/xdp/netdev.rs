//! What the driver of an interface can do with XDP, before anything is attached: the kernel's generic netlink family
//! `netdev` tells, from Linux 6.3 on. Numbers are those of `linux/genetlink.h` and `linux/netdev.h`.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};

/// Bytes before the attributes: `nlmsghdr` and `genlmsghdr`.
const HEADERS: usize = 20;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
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
    let socket = Socket::new(NETLINK_GENERIC)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let family = match ask(&socket, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, b"netdev\0") {
        Ok(answer) => attribute::<2>(&answer, CTRL_ATTR_FAMILY_ID).map(u16::from_ne_bytes),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => None,
        Err(error) => return Err(error),
    };
    let Some(family) = family else { return Ok(None) };
    let answer = ask(&socket, family, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, &index.to_ne_bytes())?;
    Ok(attribute::<8>(&answer, NETDEV_A_DEV_XDP_FEATURES).map(|features| u64::from_ne_bytes(features) & BASIC != 0))
}

/// Sends a request with one attribute, and returns the answer, headers included.
fn ask(socket: &Socket, family: u16, command: u8, kind: u16, value: &[u8]) -> io::Result<Vec<u8>> {
    let attribute_length = 4 + value.len();
    let length = HEADERS + attribute_length.next_multiple_of(4);
    let mut message = Vec::with_capacity(length);
    message.extend((length as u32).to_ne_bytes());
    message.extend(family.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    // No sequence number, no port: there is one question at a time. Then command and version.
    message.extend([0; 8]);
    message.extend([command, 1, 0, 0]);
    message.extend((attribute_length as u16).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(length, 0);
    socket.send(&message, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    if bytes::<2>(&answer, 4).map(u16::from_ne_bytes) == Some(NLMSG_ERROR) {
        let code = bytes::<4>(&answer, 16).map_or(libc::EPROTO, |code| i32::from_ne_bytes(code).saturating_neg());
        return Err(io::Error::from_raw_os_error(code));
    }
    Ok(answer)
}

/// The value of the first attribute of this kind, when it is as long as it should be.
fn attribute<const N: usize>(message: &[u8], wanted: u16) -> Option<[u8; N]> {
    let mut rest = message.get(HEADERS..)?;
    while let (Some(length), Some(kind)) = (bytes::<2>(rest, 0), bytes::<2>(rest, 2)) {
        let length = usize::from(u16::from_ne_bytes(length));
        if u16::from_ne_bytes(kind) == wanted {
            return rest.get(4..length)?.try_into().ok();
        }
        // Four at least, so that this comes to an end.
        rest = rest.get(length.max(4).next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_and_broken_ones_are_not() {
        let message = |attributes: &[&[u8]]| [&[0; HEADERS][..], &attributes.concat()].concat();
        let (small, large): (&[u8], &[u8]) = (&[6, 0, 1, 0, 7, 8, 0, 0], &[12, 0, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        for (name, message, expected) in [
            ("first", message(&[small, large]), Some([7, 8])),
            ("second", message(&[large, small]), Some([7, 8])),
            ("none", message(&[large]), None),
            ("of another length", message(&[&[8, 0, 1, 0, 1, 2, 3, 4]]), None),
            ("longer than the message", message(&[&[60, 0, 1, 0, 1, 2]]), None),
            ("without a length", message(&[&[0, 0, 0, 0], small]), Some([7, 8])),
            ("cut off", message(&[&[6, 0, 1]]), None),
            ("nothing", Vec::new(), None),
        ] {
            assert_eq!(attribute::<2>(&message, 1), expected, "{name}");
        }
        assert_eq!(attribute::<8>(&message(&[small, large]), 3), Some([1, 2, 3, 4, 5, 6, 7, 8]));
    }
}
