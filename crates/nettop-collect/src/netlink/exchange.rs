//! One question to the kernel and its answers. Whoever asks never waits longer than [`PATIENCE`] for them; a list that changed
//! while it was read is read again.

use std::{
    convert::Infallible,
    io,
    time::{Duration, Instant},
};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long all answers to a question may take, however often it has to be asked. The kernel takes a thousandth of it.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// How often a list is read that changes while it is.
const ATTEMPTS: u32 = 8;
/// The number of the one question on a socket.
const SEQUENCE: u32 = 1;

/// A message of which nothing but the header was looked at.
#[derive(Debug)]
struct Raw {
    kind: u16,
    body: Vec<u8>,
}

impl NetlinkSerializable for Raw {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.body.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.body);
    }
}

impl NetlinkDeserializable for Raw {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, body: &[u8]) -> Result<Self, Infallible> {
        Ok(Self { kind: header.message_type, body: body.to_vec() })
    }
}

/// Asks the kernel's part for this netlink protocol for one thing; returns what follows the header of the answer.
///
/// # Errors
/// What the kernel says, with its number; that it says nothing within [`PATIENCE`]; that its answer makes no sense.
pub fn ask(protocol: isize, kind: u16, body: Vec<u8>) -> io::Result<Vec<u8>> {
    let answers = exchange(protocol, Raw { kind, body }, false, Instant::now() + PATIENCE)?;
    answers.bodies.into_iter().next().ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
}

/// Asks the kernel's part for this netlink protocol for a list.
///
/// # Errors
/// As for [`ask`]; that the list changed each time it was read.
pub fn dump(protocol: isize, kind: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let until = Instant::now() + PATIENCE;
    consistent(|| exchange(protocol, Raw { kind, body: body.to_vec() }, true, until))
}

/// Reads a list until it is one of a single instant.
fn consistent(mut read: impl FnMut() -> io::Result<Answers>) -> io::Result<Vec<Vec<u8>>> {
    for _ in 0..ATTEMPTS {
        let answers = read()?;
        if !answers.interrupted {
            return Ok(answers.bodies);
        }
    }
    Err(io::Error::other(format!("the list changed each of the {ATTEMPTS} times it was read")))
}

/// What has come of the answers to a question.
#[derive(Debug, Default)]
struct Answers {
    bodies: Vec<Vec<u8>>,
    /// The list changed while the kernel went through it: something may be missing, or be there twice.
    interrupted: bool,
    complete: bool,
}

impl Answers {
    /// Takes what a datagram holds; with `dump` there are answers until one says that it was the last.
    fn take(&mut self, datagram: &[u8], dump: bool) -> io::Result<()> {
        let mut rest = datagram;
        while !rest.is_empty() && !self.complete {
            let answer = NetlinkMessage::<Raw>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            // Messages are aligned to four bytes; the last one may lack the padding.
            let length = (answer.header.length as usize).next_multiple_of(4).max(16);
            rest = rest.get(length..).unwrap_or_default();
            if answer.header.sequence_number != SEQUENCE {
                continue;
            }
            self.interrupted |= answer.header.flags & NLM_F_DUMP_INTR != 0;
            match answer.payload {
                NetlinkPayload::Done(done) if done.code < 0 => return Err(os_error(done.code)),
                NetlinkPayload::Done(_) => self.complete = true,
                NetlinkPayload::Error(error) => match error.code {
                    Some(code) => return Err(os_error(code.get())),
                    None => self.complete = true,
                },
                NetlinkPayload::Overrun(_) => return Err(io::Error::other("the kernel lost a part of its answer")),
                NetlinkPayload::InnerMessage(Raw { body, .. }) => {
                    self.bodies.push(body);
                    self.complete = !dump;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn os_error(negative: i32) -> io::Error {
    io::Error::from_raw_os_error(negative.saturating_neg())
}

fn exchange(protocol: isize, question: Raw, dump: bool, until: Instant) -> io::Result<Answers> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    // From now on the kernel alone can send to it.
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.set_non_blocking(true)?;

    let mut header = NetlinkHeader::default();
    header.flags = if dump { NLM_F_REQUEST | NLM_F_DUMP } else { NLM_F_REQUEST };
    header.sequence_number = SEQUENCE;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(question));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;

    let mut answers = Answers::default();
    while !answers.complete {
        answers.take(&receive(&socket, until)?, dump)?;
    }
    Ok(answers)
}

/// The next datagram, if one comes in time.
fn receive(socket: &Socket, until: Instant) -> io::Result<Vec<u8>> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let text = format!("the kernel does not answer within {} s", PATIENCE.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        let wait = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        match socket.recv_from_full() {
            Ok((datagram, _)) => return Ok(datagram),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{NLM_F_MULTIPART, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN};
    use netlink_sys::protocols::NETLINK_ROUTE;

    use super::*;

    fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let length = (16 + body.len()) as u32;
        let head = [kind.to_ne_bytes(), flags.to_ne_bytes()].concat();
        let mut message =
            [&length.to_ne_bytes()[..], &head, &sequence.to_ne_bytes(), &0u32.to_ne_bytes(), body].concat();
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    fn taken(datagram: &[u8], dump: bool) -> (Vec<Vec<u8>>, bool, bool, Option<i32>) {
        let mut answers = Answers::default();
        let error = answers.take(datagram, dump).err().map(|error| error.raw_os_error().unwrap_or_default());
        (answers.bodies, answers.interrupted, answers.complete, error)
    }

    #[test]
    fn answers_are_taken_until_the_last() {
        const KIND: u16 = 16;
        let part = |flags, body: &[u8]| message(KIND, NLM_F_MULTIPART | flags, SEQUENCE, body);
        let end = |code: i32| message(NLMSG_DONE, NLM_F_MULTIPART, SEQUENCE, &code.to_ne_bytes());
        let error = |code: i32| message(NLMSG_ERROR, 0, SEQUENCE, &[&code.to_ne_bytes()[..], &[0; 16]].concat());
        let bodies = |bodies: &[&[u8]]| bodies.iter().map(|body| body.to_vec()).collect::<Vec<_>>();
        for (name, datagram, dump, expected) in [
            ("one answer", part(0, b"abcd"), false, (bodies(&[b"abcd"]), false, true, None)),
            ("a part of a list", part(0, b"abcd"), true, (bodies(&[b"abcd"]), false, false, None)),
            (
                "a list",
                [part(0, b"abcde"), part(0, b"fg"), end(0)].concat(),
                true,
                (bodies(&[b"abcde", b"fg"]), false, true, None),
            ),
            (
                "a list that changed",
                [part(0, b"a"), part(NLM_F_DUMP_INTR, b"b"), end(0)].concat(),
                true,
                (bodies(&[b"a", b"b"]), true, true, None),
            ),
            (
                "a list that changed at its end",
                [part(0, b"a"), message(NLMSG_DONE, NLM_F_DUMP_INTR, SEQUENCE, &[0; 4])].concat(),
                true,
                (bodies(&[b"a"]), true, true, None),
            ),
            (
                "a list that failed on the way",
                [part(0, b"a"), end(-libc::ENOMEM)].concat(),
                true,
                (bodies(&[b"a"]), false, false, Some(libc::ENOMEM)),
            ),
            ("refused", error(-libc::ENODEV), false, (Vec::new(), false, false, Some(libc::ENODEV))),
            ("done, and nothing to say", error(0), false, (Vec::new(), false, true, None)),
            ("of another question", message(KIND, 0, 7, b"late"), false, (Vec::new(), false, false, None)),
            ("lost", message(NLMSG_OVERRUN, 0, SEQUENCE, &[]), true, (Vec::new(), false, false, Some(0))),
            ("longer than it is", vec![200, 0, 0, 0, 1, 2, 3], true, (Vec::new(), false, false, Some(0))),
            ("cut off", vec![1, 2], true, (Vec::new(), false, false, Some(0))),
            ("nothing", Vec::new(), true, (Vec::new(), false, false, None)),
        ] {
            assert_eq!(taken(&datagram, dump), expected, "{name}");
        }
    }

    #[test]
    fn a_list_that_changes_is_read_again_and_not_forever() {
        for (changes, expected) in [(0, Some(1)), (1, Some(2)), (ATTEMPTS - 1, Some(ATTEMPTS)), (ATTEMPTS, None)] {
            let mut reads = 0u32;
            let read = consistent(|| {
                reads += 1;
                let (bodies, interrupted) = (vec![reads.to_ne_bytes().to_vec()], reads <= changes);
                Ok(Answers { bodies, interrupted, complete: true })
            });
            assert_eq!(read.ok(), expected.map(|read: u32| vec![read.to_ne_bytes().to_vec()]), "{changes} changes");
            assert_eq!(reads, expected.unwrap_or(ATTEMPTS));
        }
        let mut reads = 0;
        let failed = consistent(|| {
            reads += 1;
            Err(io::Error::from_raw_os_error(libc::ENOMEM))
        });
        assert_eq!((failed.map_err(|error| error.raw_os_error()), reads), (Err(Some(libc::ENOMEM)), 1));
    }

    #[test]
    fn whoever_asks_does_not_wait_forever() {
        let mut socket = Socket::new(NETLINK_ROUTE).expect("a socket");
        socket.bind_auto().expect("an address");
        socket.set_non_blocking(true).expect("a socket that does not block");
        // Nobody was asked anything.
        let error = receive(&socket, Instant::now() + Duration::from_millis(50)).expect_err("nothing comes");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }
}
