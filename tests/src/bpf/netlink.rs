//! Attaching by netlink, as `ip link set … xdp` does: the attachment outlives whoever made it. And what is attached.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// linux/rtnetlink.h, linux/netlink.h, linux/if_link.h.
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const NLMSG_ERROR: u16 = 2;
const NLA_F_NESTED: u16 = 1 << 15;
const NLA_TYPE_MASK: u16 = (1 << 14) - 1;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_FLAGS: u16 = 3;
const IFLA_XDP_PROG_ID: u16 = 4;
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
    Links::open()?.ask(RTM_SETLINK, NLM_F_REQUEST_ACK, interface, &nested).map(drop)
}

/// Asks about the interfaces of the network namespace in which it was opened.
pub struct Links {
    socket: Socket,
}

impl Links {
    /// Of the calling thread's namespace.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket })
    }

    /// The id of the XDP program on an interface: a question of some microseconds.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn xdp_program(&self, interface: u32) -> io::Result<Option<u32>> {
        let link = self.ask(RTM_GETLINK, NLM_F_REQUEST, interface, &[])?;
        // Behind `struct ifinfomsg`.
        let xdp = link.get(16..).and_then(|attributes| attribute(attributes, IFLA_XDP));
        let id = xdp.and_then(|xdp| attribute(xdp, IFLA_XDP_PROG_ID)).and_then(|id| id.try_into().ok());
        Ok(id.map(u32::from_ne_bytes))
    }

    /// Sends a message about an interface, and returns what is in the answer: nothing, where it is that all is well.
    fn ask(&self, kind: u16, flags: u16, interface: u32, attributes: &[u8]) -> io::Result<Vec<u8>> {
        // `struct ifinfomsg`: family, padding, type, index, flags, change.
        let link = [&[0; 4][..], &interface.to_ne_bytes(), &[0; 8]].concat();
        let length = (16 + link.len() + attributes.len()) as u32;
        // `struct nlmsghdr`: length, type, flags, sequence number, port.
        let kind = [kind.to_ne_bytes(), flags.to_ne_bytes()].concat();
        self.socket.send(&[&length.to_ne_bytes()[..], &kind, &[0; 8], &link, attributes].concat(), 0)?;
        let (answer, _) = self.socket.recv_from_full()?;
        let word = |at: usize| answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
        match (answer.get(4..6), word(16)) {
            (Some(kind), Some(0)) if kind == NLMSG_ERROR.to_ne_bytes() => Ok(Vec::new()),
            (Some(kind), Some(code)) if kind == NLMSG_ERROR.to_ne_bytes() => {
                Err(io::Error::from_raw_os_error(code.saturating_neg()))
            }
            (Some(kind), _) if kind == RTM_NEWLINK.to_ne_bytes() => Ok(answer[16..].to_vec()),
            _ => Err(io::Error::other(format!("an unexpected answer: {answer:02x?}"))),
        }
    }
}

/// The first attribute of a kind.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (head, _) = attributes.split_first_chunk::<4>()?;
        let [length, kind] = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_ne_bytes);
        if kind & NLA_TYPE_MASK == wanted {
            return attributes.get(4..length.into());
        }
        attributes = attributes.get(usize::from(length).next_multiple_of(4).max(4)..)?;
    }
}
