//! The parser: from the bytes of a frame to the [`Packet`] that is filtered and counted. The only one there is.
//!
//! Ethernet II with any stack of 802.1Q and 802.1ad tags up to [`MAX_TAGS`], 802.3 with SNAP, PPPoE, MPLS, IPv4 with options (RFC 791), IPv6 with
//! extension headers (RFC 8200) up to [`MAX_EXTENSIONS`], fragments, and the ports of TCP, UDP and SCTP. Ports are
//! taken only from within the length that the IP header claims, so that padding is never read as a header.
//!
//! Written for the BPF verifier: every access is checked against the end of the frame, every loop is bounded, and
//! nothing can panic.

use core::marker::PhantomData;

use bytemuck::Zeroable;

use crate::{Address, MacPair};

/// How many VLAN tags are looked through.
pub const MAX_TAGS: usize = 4;
/// How many MPLS labels are looked through.
pub const MAX_LABELS: usize = 6;
/// How many IPv6 extension headers are looked through.
pub const MAX_EXTENSIONS: usize = 8;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;

/// EtherTypes (IEEE 802 Numbers).
pub mod ether_type {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// An 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// An 802.1ad tag.
    pub const SERVICE_VLAN: u16 = 0x88a8;
    /// An 802.1ad tag, before there was a standard.
    pub const OLD_SERVICE_VLAN: u16 = 0x9100;
    /// A PPPoE session (RFC 2516).
    pub const PPPOE: u16 = 0x8864;
    /// MPLS (RFC 3032).
    pub const MPLS: u16 = 0x8847;
    /// From here on it is an EtherType; below, the length of an IEEE 802.3 frame.
    pub const FIRST: u16 = 0x0600;
}

/// IP protocol numbers that the parser acts on (IANA "Assigned Internet Protocol Numbers").
mod number {
    pub const HOP_BY_HOP: u8 = 0;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const AUTHENTICATION: u8 = 51;
    pub const DESTINATION_OPTIONS: u8 = 60;
    pub const SCTP: u8 = 132;
    pub const MOBILITY: u8 = 135;
    pub const HIP: u8 = 139;
    pub const SHIM6: u8 = 140;
}

/// TCP flag bits (RFC 9293 §3.1, RFC 3168).
pub mod tcp_flag {
    /// SYN: synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// ACK: the acknowledgment field is significant.
    pub const ACK: u8 = 0x10;
}

/// What a frame begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// An Ethernet header.
    Ethernet,
    /// An IP header: tunnels and other interfaces without a link layer.
    RawIp,
}

/// Why a frame is not a [`Packet`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotIp {
    /// Another EtherType, or too short to have one.
    OtherProtocol,
    /// The header is cut short or contradicts itself.
    Malformed,
}

/// What parsing found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Packet {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// MAC addresses; zero where the link has none.
    pub macs: MacPair,
    /// IP protocol number: the last of the chain that could be followed.
    pub protocol: u8,
    /// Source port; 0 where there is none.
    pub source_port: u16,
    /// Destination port; 0 where there is none.
    pub destination_port: u16,
    /// The TCP flag byte.
    pub tcp_flags: Option<u8>,
    /// Whether it is a fragment, the first one included.
    pub fragment: bool,
}

impl Packet {
    /// Whether it asks for a new TCP connection: SYN without ACK.
    #[inline(always)]
    pub fn is_syn(&self) -> bool {
        match self.tcp_flags {
            Some(flags) => flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN,
            None => false,
        }
    }
}

/// The bytes of a frame that are still to be parsed; reading outside of them is `None`.
///
/// A cursor rather than a slice and an offset: the verifier proves an access by the register that was compared with the
/// end of the packet, so the pointer must be computed once.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    start: *const u8,
    end: *const u8,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> From<&'a [u8]> for Frame<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        let range = bytes.as_ptr_range();
        Self { start: range.start, end: range.end, bytes: PhantomData }
    }
}

impl Frame<'_> {
    /// A frame between two pointers, as the kernel hands them over.
    ///
    /// # Safety
    /// `start..end` must be readable for as long as the frame is used.
    #[inline(always)]
    pub unsafe fn from_raw(start: *const u8, end: *const u8) -> Self {
        Self { start, end, bytes: PhantomData }
    }

    /// The frame behind the next `length` bytes; it may turn out to hold nothing.
    #[inline(always)]
    fn skip(self, length: usize) -> Self {
        Self { start: self.start.wrapping_add(length), ..self }
    }

    /// Where `size` bytes start, `offset` bytes ahead.
    #[inline(always)]
    fn at(&self, offset: usize, size: usize) -> Option<*const u8> {
        let at = self.start.wrapping_add(offset);
        if at.wrapping_add(size) > self.end { None } else { Some(at) }
    }

    /// The `N` bytes that start `offset` bytes ahead.
    #[inline(always)]
    fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let at = self.at(offset, N)?;
        // SAFETY: `at` checked that all of them lie within the frame.
        Some(core::array::from_fn(|index| unsafe { *at.add(index) }))
    }

    /// The `N` words of four bytes that start `offset` bytes ahead, in the byte order they have there.
    ///
    /// Loaded and stored as words: on BPF, where loads from packets may be unaligned, a key built from bytes costs twice
    /// the look-up, and LLVM would turn `read_unaligned` into single bytes.
    #[inline(always)]
    fn words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let at = self.at(offset, N * 4)?.cast::<u32>();
        // SAFETY: `at` checked that all of them lie within the frame.
        Some(core::array::from_fn(|index| unsafe {
            if cfg!(target_arch = "bpf") { *at.add(index) } else { at.add(index).read_unaligned() }
        }))
    }

    /// The `N` numbers of four bytes that start `offset` bytes ahead.
    #[inline(always)]
    fn numbers<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        Some(self.words(offset)?.map(u32::from_be))
    }

    /// The number of two bytes that starts `offset` bytes ahead.
    #[inline(always)]
    fn short(&self, offset: usize) -> Option<u16> {
        let at = self.at(offset, 2)?.cast::<u16>();
        // SAFETY: `at` checked that both bytes lie within the frame.
        Some(u16::from_be(unsafe { if cfg!(target_arch = "bpf") { *at } else { at.read_unaligned() } }))
    }
}

/// Parses a frame.
///
/// # Errors
/// [`NotIp`] when it holds no IP packet.
#[inline(always)]
pub fn parse(frame: Frame<'_>, link: Link) -> Result<Packet, NotIp> {
    match link {
        Link::Ethernet => parse_ethernet(frame),
        Link::RawIp => match frame.bytes::<1>(0).ok_or(NotIp::OtherProtocol)?[0] >> 4 {
            4 => parse_ipv4(frame, MacPair::zeroed()),
            6 => parse_ipv6(frame, MacPair::zeroed()),
            _ => Err(NotIp::OtherProtocol),
        },
    }
}

#[inline(always)]
fn parse_ethernet(frame: Frame<'_>) -> Result<Packet, NotIp> {
    let macs = MacPair(frame.words(0).ok_or(NotIp::OtherProtocol)?);
    let ether_type = frame.short(12).ok_or(NotIp::OtherProtocol)?;
    parse_network(frame.skip(ETHERNET), ether_type, macs)
}

/// Parses what follows the header of some link, of which its EtherType and the MAC addresses are left.
///
/// # Errors
/// [`NotIp`] when it holds no IP packet.
#[inline(always)]
pub fn parse_network(frame: Frame<'_>, ether_type: u16, macs: MacPair) -> Result<Packet, NotIp> {
    let (mut frame, mut ether_type) = (frame, ether_type);
    for _ in 0..MAX_TAGS {
        match ether_type {
            ether_type::VLAN | ether_type::SERVICE_VLAN | ether_type::OLD_SERVICE_VLAN => {
                // A tag is two bytes of tag control information, then the next EtherType.
                ether_type = frame.short(2).ok_or(NotIp::OtherProtocol)?;
                frame = frame.skip(4);
            }
            _ => break,
        }
    }
    if ether_type != ether_type::IPV4 && ether_type != ether_type::IPV6 {
        (frame, ether_type) = look_through(frame, ether_type).ok_or(NotIp::OtherProtocol)?;
    }
    match ether_type {
        ether_type::IPV4 => parse_ipv4(frame, macs),
        ether_type::IPV6 => parse_ipv6(frame, macs),
        _ => Err(NotIp::OtherProtocol),
    }
}

/// What is behind a header that carries IP on behalf of another network: IEEE 802.2 SNAP (RFC 1042), a PPPoE session
/// (RFC 2516), MPLS labels (RFC 3032) up to [`MAX_LABELS`].
#[inline(always)]
fn look_through(frame: Frame<'_>, ether_type: u16) -> Option<(Frame<'_>, u16)> {
    match ether_type {
        0..ether_type::FIRST => match frame.bytes(0)? {
            [0xaa, 0xaa, 3, 0, 0, 0, high, low] => Some((frame.skip(8), u16::from_be_bytes([high, low]))),
            _ => None,
        },
        ether_type::PPPOE => match frame.bytes(0)? {
            // Version and type 1, code 0 (data), session, length; then the PPP protocol.
            [0x11, 0, _, _, _, _, 0x00, 0x21] => Some((frame.skip(8), ether_type::IPV4)),
            [0x11, 0, _, _, _, _, 0x00, 0x57] => Some((frame.skip(8), ether_type::IPV6)),
            _ => None,
        },
        ether_type::MPLS => {
            let mut frame = frame;
            for _ in 0..MAX_LABELS {
                // Twenty bits of label, three of class, one that says "the last", eight of time to live.
                let [_, _, class_and_last, _] = frame.bytes(0)?;
                frame = frame.skip(4);
                if class_and_last & 1 == 1 {
                    // Nothing says what follows but its version.
                    return match frame.bytes::<1>(0)?[0] >> 4 {
                        4 => Some((frame, ether_type::IPV4)),
                        6 => Some((frame, ether_type::IPV6)),
                        _ => None,
                    };
                }
            }
            None
        }
        _ => None,
    }
}

#[inline(always)]
fn parse_ipv4(frame: Frame<'_>, macs: MacPair) -> Result<Packet, NotIp> {
    let [source, destination] = frame.words(12).ok_or(NotIp::Malformed)?;
    // Version, header length, service, total length; identification, flags, fragment offset; time to live, protocol, checksum.
    let [first, second, third] = frame.numbers(0).ok_or(NotIp::Malformed)?;
    let header_length = (first >> 24 & 0x0f) as usize * 4;
    if first >> 28 != 4 || header_length < IPV4 {
        return Err(NotIp::Malformed);
    }
    // Thirteen bits of offset, and the flag "more fragments".
    let fragment_offset = second & 0x1fff;
    let more_fragments = second & 0x2000 != 0;
    let mut packet = Packet {
        source: Address::from_v4_word(source),
        destination: Address::from_v4_word(destination),
        macs,
        protocol: (third >> 16) as u8,
        fragment: more_fragments || fragment_offset != 0,
        ..Packet::default()
    };
    if fragment_offset == 0 {
        // A length of zero stands for one too long to be told (segmentation offload).
        let claimed = match (first & 0xffff) as usize {
            0 => usize::MAX,
            total => total.saturating_sub(header_length),
        };
        parse_transport(frame.skip(header_length), claimed, &mut packet);
    }
    Ok(packet)
}

#[inline(always)]
fn parse_ipv6(frame: Frame<'_>, macs: MacPair) -> Result<Packet, NotIp> {
    let source = Address(frame.words(8).ok_or(NotIp::Malformed)?);
    let destination = Address(frame.words(24).ok_or(NotIp::Malformed)?);
    // Version, class, flow label; payload length, next header, hop limit.
    let [first, second] = frame.numbers(0).ok_or(NotIp::Malformed)?;
    if first >> 28 != 6 {
        return Err(NotIp::Malformed);
    }
    // A length of zero stands for a jumbogram (RFC 2675).
    let mut claimed = match (second >> 16) as usize {
        0 => usize::MAX,
        payload => payload,
    };
    let protocol = (second >> 8) as u8;
    let mut packet = Packet { source, destination, macs, protocol, ..Packet::default() };
    let mut frame = frame.skip(IPV6);
    for _ in 0..MAX_EXTENSIONS {
        // The chain is followed only as far as the frame goes; what it leads to is then unknown.
        let Some([header]) = frame.numbers(0) else { return Ok(packet) };
        let (next_header, length) = ((header >> 24) as u8, header >> 16 & 0xff);
        // The length field counts units of 8, or 4, bytes beyond the first 8. Shifts: the verifier of Linux 6.1 loses the
        // bounds of a product.
        let header_length = 8 + match packet.protocol {
            number::HOP_BY_HOP
            | number::ROUTING
            | number::DESTINATION_OPTIONS
            | number::MOBILITY
            | number::HIP
            | number::SHIM6 => (length as usize) << 3,
            number::AUTHENTICATION => (length as usize) << 2,
            number::FRAGMENT => 0,
            _ => break,
        };
        let is_fragment = packet.protocol == number::FRAGMENT;
        packet.protocol = next_header;
        if is_fragment {
            packet.fragment = true;
            if header & 0xfff8 != 0 {
                return Ok(packet);
            }
        }
        claimed = claimed.saturating_sub(header_length);
        frame = frame.skip(header_length);
    }
    parse_transport(frame, claimed, &mut packet);
    Ok(packet)
}

/// Adds the ports and flags, when the header is there: within the `claimed` bytes that the IP header speaks of.
#[inline(always)]
fn parse_transport(frame: Frame<'_>, claimed: usize, packet: &mut Packet) {
    if !matches!(packet.protocol, number::TCP | number::UDP | number::SCTP) || claimed < 4 {
        return;
    }
    let Some([ports]) = frame.numbers(0) else { return };
    packet.source_port = (ports >> 16) as u16;
    packet.destination_port = ports as u16;
    if packet.protocol == number::TCP && claimed >= 14 {
        packet.tcp_flags = frame.bytes::<1>(13).map(|[flags]| flags);
    }
}
