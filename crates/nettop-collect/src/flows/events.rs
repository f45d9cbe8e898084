//! The events of ctnetlink: flows that began and flows that ended.

use std::io;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::net::{RecvFlags, recv, sockopt};

use super::{
    message::{self, DELETE, NEW},
    reading::{FlowEvent, FlowRow},
};
use crate::netlink::frames::{Frame, frames};

/// NFNLGRP_CONNTRACK_NEW and NFNLGRP_CONNTRACK_DESTROY (linux/netfilter/nfnetlink_compat.h).
const GROUPS: u32 = 0x1 | 0x4;
/// What may wait to be read, bytes: the kernel reckons with about a kilobyte for each event.
const BUFFER: usize = 8 << 20;
/// An event has some 300 bytes, and is a datagram of its own.
const DATAGRAM: usize = 8 << 10;
/// Events that are read at once.
const MOST: usize = 32_768;
/// Times in a row that the kernel may say that it lost some.
const MOST_OVERRUNS: u64 = 16;

/// The socket that they come to. To join needs CAP_NET_ADMIN, to read nothing.
pub struct Events {
    socket: Socket,
    buffer: Box<[u8]>,
}

/// What came at once.
#[derive(Debug, Default)]
pub struct Came {
    /// How many events.
    pub events: usize,
    /// How often the kernel had no room for some.
    pub overruns: u64,
}

impl Events {
    /// Joins them.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        if sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, BUFFER)?;
        }
        socket.bind(&SocketAddr::new(0, GROUPS))?;
        // From now on the kernel alone can send to it.
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, buffer: vec![0; DATAGRAM].into() })
    }

    /// Hands over what waits, oldest first; never waits.
    pub fn read(&mut self, each: &mut dyn FnMut(FlowEvent)) -> Came {
        let mut came = Came::default();
        while came.events < MOST && came.overruns < MOST_OVERRUNS {
            match recv(&self.socket, &mut *self.buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
                Ok((_, length)) => {
                    came.events += 1;
                    // What does not fit is none of the events.
                    events(self.buffer.get(..length).unwrap_or_default(), each);
                }
                Err(rustix::io::Errno::INTR) => {}
                // Until all is read that waits, it goes on losing without a further word: that is a moment.
                Err(rustix::io::Errno::NOBUFS) => came.overruns += 1,
                // Nothing waits; a socket that is bound gives no other error.
                Err(_) => break,
            }
        }
        came
    }
}

/// Hands over the events of a datagram; what is none, or makes no sense, is skipped.
pub fn events(datagram: &[u8], each: &mut dyn FnMut(FlowEvent)) {
    for Frame { kind, body, .. } in frames(datagram).map_while(Result::ok) {
        let event: fn(FlowRow) -> FlowEvent = match kind {
            NEW => FlowEvent::Began,
            DELETE => FlowEvent::Ended,
            _ => continue,
        };
        message::row(body).map(event).into_iter().for_each(&mut *each);
    }
}
