//! Sending crafted frames, byte for byte, out of an interface.

use std::{
    io, mem,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use crate::net::Namespace;

/// Tries again so often when the receiver's queue is full.
const RETRIES: usize = 1000;

/// A raw socket on an interface. It stays in the namespace it was made in.
#[derive(Debug)]
pub struct Sender {
    socket: OwnedFd,
}

impl Sender {
    /// On an interface of `namespace`.
    pub fn new(namespace: &Namespace, interface: &str) -> Self {
        let index = namespace.interface_index(interface);
        let socket = namespace.run(|| open(index)).expect("opening a packet socket");
        Self { socket }
    }

    /// Sends `frame`, at least 14 bytes, `count` times. All of them arrive at the other end of a veth pair.
    pub fn send(&self, frame: &[u8], count: usize) {
        for _ in 0..count {
            self.send_once(frame).unwrap_or_else(|error| panic!("sending {} bytes: {error}", frame.len()));
        }
    }

    fn send_once(&self, frame: &[u8]) -> io::Result<()> {
        for _ in 0..RETRIES {
            // SAFETY: the pointer and the length are those of `frame`.
            let sent = unsafe { libc::send(self.socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
            if sent >= 0 {
                assert_eq!(sent as usize, frame.len(), "a frame is sent whole");
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::ENOBUFS) {
                return Err(error);
            }
            std::thread::yield_now();
        }
        Err(io::Error::from_raw_os_error(libc::ENOBUFS))
    }
}

fn open(interface: u32) -> io::Result<OwnedFd> {
    // Protocol 0: it receives nothing.
    // SAFETY: plain integers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the result is a new file descriptor, which nobody else owns.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: plain integers and bytes, for which zero is valid.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = interface as i32;
    let length = size_of::<libc::sockaddr_ll>() as u32;
    // SAFETY: the address is as long as `length` says.
    match unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) } {
        0 => Ok(socket),
        _ => Err(io::Error::last_os_error()),
    }
}
