//! Attaching by netlink, as `ip link set … xdp` does: the attachment outlives whoever made it.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// linux/rtnetlink.h, linux/netlink.h, linux/if_link.h.
const RTM_SETLINK: u16 = 19;
const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const NLMSG_ERROR: u16 = 2;
const NLA_F_NESTED: u16 = 1 << 15;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_FLAGS: u16 = 3;
const XDP_FLAGS_UPDATE_IF_NOEXIST: u32 = 1;
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// Attaches an XDP program to an interface of the calling thread's network namespace, until somebody takes it off: in the
/// network stack (`generic`), or in the driver.
///
/// # Errors
/// What the kernel says.
pub fn set_xdp(program: BorrowedFd<'_>, interface: u32, generic: bool) -> io::Result<()> {
    let mode = if generic { XDP_FLAGS_SKB_MODE } else { XDP_FLAGS_DRV_MODE };
    let attribute = |kind: u16, value: [u8; 4]| [&[8, 0], &kind.to_ne_bytes()[..], &value].concat();
    let facts = [
        attribute(IFLA_XDP_FD, program.as_raw_fd().to_ne_bytes()),
        attribute(IFLA_XDP_FLAGS, (mode | XDP_FLAGS_UPDATE_IF_NOEXIST).to_ne_bytes()),
    ]
    .concat();
    let nested =
        [&(4 + facts.len() as u16).to_ne_bytes()[..], &(IFLA_XDP | NLA_F_NESTED).to_ne_bytes(), &facts].concat();
    // `struct ifinfomsg`: family, padding, type, index, flags, change.
    let link = [&[0; 4][..], &interface.to_ne_bytes(), &[0; 8]].concat();
    let length = (16 + link.len() + nested.len()) as u32;
    // `struct nlmsghdr`: length, type, flags, sequence number, port.
    let kind = [RTM_SETLINK.to_ne_bytes(), NLM_F_REQUEST_ACK.to_ne_bytes()].concat();
    let message = [&length.to_ne_bytes()[..], &kind, &[0; 8], &link, &nested].concat();

    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&message, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    match (answer.get(4..6), answer.get(16..20).map(<[u8; 4]>::try_from)) {
        (Some(kind), Some(Ok(code))) if kind == NLMSG_ERROR.to_ne_bytes() => match i32::from_ne_bytes(code) {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        },
        _ => Err(io::Error::other(format!("an unexpected answer: {answer:02x?}"))),
    }
}
