//! A netlink socket that stays open, for lists that are long and asked for often: what an answer holds is looked at where it lies,
//! and nothing is allocated for it.

use std::{
    io,
    time::{Duration, Instant},
};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN};
use netlink_sys::{Socket, SocketAddr};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{RecvFlags, recv},
};

use super::{
    PATIENCE,
    attributes::number_at,
    frames::{Frame, HEADER, frames},
};

/// The largest datagram of a list: the kernel makes none of more, whatever room there is (`netlink_dump`).
const DATAGRAM: usize = 32 << 10;

/// Such a socket.
pub struct Kept {
    protocol: isize,
    socket: Socket,
    buffer: Box<[u8]>,
    /// The number of the newest question.
    sequence: u32,
}

impl Kept {
    /// Opens it, to the kernel's part for this netlink protocol, of the network namespace that this thread is in.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open(protocol: isize) -> io::Result<Self> {
        Ok(Self { protocol, socket: connect(protocol)?, buffer: vec![0; DATAGRAM].into(), sequence: 0 })
    }

    /// Asks for a list, and hands over what follows the header of each message of it.
    ///
    /// # Errors
    /// What the kernel says, with its number; that for as long as [`PATIENCE`] it says no more; that its answer makes no sense. What was
    /// handed over by then is a part of the list.
    pub fn dump(&mut self, kind: u16, body: &[u8], each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let answered = self.exchange(kind, body, each);
        if answered.is_err()
            && let Ok(socket) = connect(self.protocol)
        {
            // On the old one the rest of the list may still be waiting, and would keep the next one from being asked for.
            self.socket = socket;
        }
        answered
    }

    fn exchange(&mut self, kind: u16, body: &[u8], each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(&question(kind, self.sequence, body), 0)?;
        loop {
            // A list of millions takes seconds: what counts is whether it goes on.
            let datagram = receive(&self.socket, &mut self.buffer, Instant::now() + PATIENCE)?;
            if messages(datagram, self.sequence, each)? {
                return Ok(());
            }
        }
    }
}

fn connect(protocol: isize) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    // From now on the kernel alone can send to it.
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.set_non_blocking(true)?;
    Ok(socket)
}

fn question(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = (HEADER + body.len()) as u32;
    let kinds = [kind.to_ne_bytes(), (NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes()].concat();
    [&length.to_ne_bytes()[..], &kinds, &sequence.to_ne_bytes(), &[0; 4], body].concat()
}

/// The next datagram, if one comes in time.
fn receive<'a>(socket: &Socket, buffer: &'a mut [u8], until: Instant) -> io::Result<&'a [u8]> {
    let length = loop {
        match recv(socket, &mut *buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            Ok((_, length)) => break length,
            Err(rustix::io::Errno::AGAIN) => wait(socket, until.saturating_duration_since(Instant::now()))?,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let whole = buffer.get(..length);
    whole.ok_or_else(|| io::Error::other(format!("the kernel sent {length} bytes at once, which was never seen")))
}

fn wait(socket: &Socket, left: Duration) -> io::Result<()> {
    if left.is_zero() {
        let text = format!("the kernel does not answer within {} s", PATIENCE.as_secs());
        return Err(io::Error::new(io::ErrorKind::TimedOut, text));
    }
    let wait = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
    match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&wait)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Hands over what follows the header of each message of a datagram that answers the question with this number; whether the list ends
/// with it.
///
/// # Errors
/// What the kernel says instead; or a message is longer than the datagram, or shorter than its header.
pub fn messages(datagram: &[u8], sequence: u32, each: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
    for frame in frames(datagram) {
        let Frame { kind, body, sequence: number, .. } = frame?;
        if number != sequence {
            continue;
        }
        let code = number_at(body, 0).unwrap_or_default().cast_signed();
        match kind {
            NLMSG_DONE | NLMSG_ERROR if code < 0 => return Err(io::Error::from_raw_os_error(code.saturating_neg())),
            NLMSG_DONE | NLMSG_ERROR => return Ok(true),
            NLMSG_OVERRUN => return Err(io::Error::other("the kernel lost a part of its answer")),
            // Those below are the protocol's own, as is one that says nothing.
            kind if kind < NLMSG_DONE => {}
            _ => each(body),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::NLMSG_NOOP;

    use super::*;

    const KIND: u16 = 20;
    const NUMBER: u32 = 7;

    fn message(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let length = (HEADER + body.len()) as u32;
        let head = [kind.to_ne_bytes(), 2u16.to_ne_bytes()].concat();
        let mut message = [&length.to_ne_bytes()[..], &head, &sequence.to_ne_bytes(), &[0; 4], body].concat();
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    #[test]
    fn messages_are_handed_over_until_the_last() {
        let code = |code: i32| code.to_ne_bytes();
        let one = message(KIND, NUMBER, b"abcde");
        for (name, datagram, bodies, ended) in [
            ("one", one.clone(), &[&b"abcde"[..]][..], Ok(false)),
            ("two", [one.clone(), message(KIND, NUMBER, b"f")].concat(), &[b"abcde", b"f"], Ok(false)),
            ("the last", [one.clone(), message(NLMSG_DONE, NUMBER, &code(0))].concat(), &[b"abcde"], Ok(true)),
            ("behind the last", [message(NLMSG_DONE, NUMBER, &code(0)), one.clone()].concat(), &[], Ok(true)),
            ("without the padding of the last", one[..21].to_vec(), &[b"abcde"], Ok(false)),
            ("of an earlier question", message(KIND, NUMBER - 1, b"late"), &[], Ok(false)),
            ("an earlier question's end", message(NLMSG_DONE, NUMBER - 1, &code(0)), &[], Ok(false)),
            ("no answer", [message(NLMSG_NOOP, NUMBER, b""), one.clone()].concat(), &[b"abcde"], Ok(false)),
            ("refused", message(NLMSG_ERROR, NUMBER, &code(-libc::ENOENT)), &[], Err(Some(libc::ENOENT))),
            ("failed on the way", message(NLMSG_DONE, NUMBER, &code(-libc::ENOMEM)), &[], Err(Some(libc::ENOMEM))),
            ("the smallest number", message(NLMSG_DONE, NUMBER, &code(i32::MIN)), &[], Err(Some(i32::MAX))),
            ("an end without a number", message(NLMSG_DONE, NUMBER, b""), &[], Ok(true)),
            ("lost", message(NLMSG_OVERRUN, NUMBER, b""), &[], Err(None)),
            ("longer than it is", [&200u32.to_ne_bytes()[..], &one[4..]].concat(), &[], Err(None)),
            ("shorter than its header", [&15u32.to_ne_bytes()[..], &one[4..]].concat(), &[], Err(None)),
            ("of a length of zero", [&[0; 4][..], &one[4..]].concat(), &[], Err(None)),
            ("cut off", one[..10].to_vec(), &[], Err(None)),
            ("less than a length", vec![1, 2], &[], Err(None)),
            ("nothing", Vec::new(), &[], Ok(false)),
        ] {
            let mut found = Vec::new();
            let read = messages(&datagram, NUMBER, &mut |body| found.push(body.to_vec()));
            assert_eq!(read.map_err(|error| error.raw_os_error()), ended, "{name}");
            assert_eq!(found, bodies, "{name}");
        }
    }

    #[test]
    fn the_kernel_lists_again_and_again_over_one_socket() {
        let mut kept = Kept::open(netlink_sys::protocols::NETLINK_ROUTE).expect("a socket");
        let list = |kept: &mut Kept| {
            let mut links = 0;
            kept.dump(libc::RTM_GETLINK, &[0; 16], &mut |_| links += 1).map(|()| links)
        };
        let links = list(&mut kept).expect("links");
        assert!(links > 0);
        assert_eq!(list(&mut kept).expect("links again"), links);
        // Refused, and not for good.
        assert!(kept.dump(u16::MAX, &[0; 16], &mut |_| {}).is_err());
        assert_eq!(list(&mut kept).expect("links after an error"), links);
    }
}
