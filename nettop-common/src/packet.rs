//! The parser: from the bytes of a frame to the [`Packet`] that is filtered and counted. The only one there is.
//!
//! Ethernet II with any stack of 802.1Q and 802.1ad tags up to [`MAX_TAGS`], 802.3 with SNAP, PPPoE, MPLS, IPv4 with options (RFC 791), IPv6 with
//! extension headers (RFC 8200) up to [`MAX_EXTENSIONS`], authentication headers (RFC 4302) up to [`MAX_AUTHENTICATIONS`] in
//! IPv4, fragments, and the ports of TCP, UDP and SCTP. Ports are
//! taken only from within the length that the IP header claims, so that padding is never read as a header.
//!
//! Written for the BPF verifier: every access is checked against the end of the frame, every loop is bounded, and
//! nothing can panic.

use core::marker::PhantomData;

use bytemuck::{AnyBitPattern, Pod, Zeroable};

use crate::{
    Address, MacPair, TrafficClass, cold_path,
    neighbour::{DISCOVERY, Message},
    opaque_read,
};

/// How many VLAN tags are looked through.
pub const MAX_TAGS: usize = 4;
/// How many MPLS labels are looked through.
pub const MAX_LABELS: usize = 6;
/// How many IPv6 extension headers are looked through.
pub const MAX_EXTENSIONS: usize = 8;
/// How many authentication headers of IPv4 are looked through: the host's, a gateway's, and one to spare.
pub const MAX_AUTHENTICATIONS: usize = 3;

pub(crate) const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;

/// EtherTypes (IEEE 802 Numbers).
pub mod ether_type {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
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
    /// MPLS whose label the sender assigned: once for multicast (RFC 5332).
    pub const MPLS_MULTICAST: u16 = 0x8848;
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
    pub const ICMPV6: u8 = 58;
    pub const DESTINATION_OPTIONS: u8 = 60;
    pub const SCTP: u8 = 132;
    pub const MOBILITY: u8 = 135;
    pub const HIP: u8 = 139;
    pub const SHIM6: u8 = 140;
}

/// TCP flag bits (RFC 9293 §3.1, RFC 3168).
pub mod tcp_flag {
    /// FIN: no more data from the sender.
    pub const FIN: u8 = 0x01;
    /// SYN: synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// RST: reset the connection.
    pub const RST: u8 = 0x04;
    /// ACK: the acknowledgment field is significant.
    pub const ACK: u8 = 0x10;
}

/// What a frame begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkLayer {
    /// An Ethernet header.
    Ethernet,
    /// An IP header: tunnels and other interfaces without a link layer.
    RawIp,
}

/// Why a frame is not a [`Packet`] that can be counted by its addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotCounted {
    /// Another EtherType, or too short to have one.
    OtherProtocol,
    /// The header is cut short or contradicts itself.
    Malformed,
    /// An IPv6 packet from or to an IPv4-mapped address, which no packet on a wire may have (RFC 6890 table 20). It has to be kept
    /// apart: its addresses would be taken for those of IPv4 hosts.
    Martian,
}

/// What parsing found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Packet {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// MAC addresses; zero where the link has none.
    pub macs: MacPair,
    /// Source port; 0 where there is none.
    pub source_port: u16,
    /// Destination port; 0 where there is none.
    pub destination_port: u16,
    /// The TCP flag byte, where there is one.
    pub tcp_flags: Flags,
    /// IP protocol number: the last of the chain that could be followed.
    pub protocol: u8,
    /// Whether it is a fragment, the first one included.
    pub fragment: bool,
    /// Bytes between the header of the link and that of IP.
    pub encapsulation: u8,
    /// Of TCP: whether data follows the header, by what the headers claim.
    pub payload: bool,
}

impl Packet {
    /// Which class it is of.
    #[inline(always)]
    pub fn traffic_class(&self) -> TrafficClass {
        TrafficClass::of(self.protocol, self.tcp_flags, self.fragment, self.payload)
    }

    /// Forgets what is not in every packet, which is one word: the rest is written anyhow.
    #[inline(always)]
    fn reset(&mut self) {
        (self.source_port, self.destination_port, self.tcp_flags) = (0, 0, Flags(0));
        (self.protocol, self.fragment, self.encapsulation, self.payload) = (0, false, 0, false);
    }
}

/// A TCP flag byte, or none. One word: an `Option` is two to the kernel program, and both are written on every way through the parser.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Flags(u16);

impl Flags {
    /// What the word is more than the byte.
    const SOME: u16 = 1 << u8::BITS;

    /// The byte.
    #[inline(always)]
    pub const fn get(self) -> Option<u8> {
        if self.0 == 0 { None } else { Some(self.0 as u8) }
    }

    /// Whether they ask for a new connection: SYN without ACK.
    #[inline(always)]
    pub const fn is_syn(self) -> bool {
        self.0 & (Self::SOME | (tcp_flag::SYN | tcp_flag::ACK) as u16) == Self::SOME | tcp_flag::SYN as u16
    }
}

impl From<u8> for Flags {
    #[inline(always)]
    fn from(flags: u8) -> Self {
        Self(Self::SOME | flags as u16)
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

impl<'a> Frame<'a> {
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

    /// The next `N` bytes.
    #[inline(always)]
    pub(crate) fn header<const N: usize>(&self) -> Option<Header<'a, N>> {
        if self.start.wrapping_add(N) > self.end {
            return None;
        }
        Some(Header { start: self.start, bytes: PhantomData })
    }
}

/// `N` bytes of a frame that are there: checked once, whatever is read of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a, const N: usize> {
    start: *const u8,
    bytes: PhantomData<&'a [u8]>,
}

impl<const N: usize> Header<'_, N> {
    /// The word that starts `AT` bytes into it, in the byte order it has there.
    ///
    /// Loaded as a word: on BPF loads from packets may be unaligned, and LLVM would turn `read_unaligned` into single bytes.
    #[inline(always)]
    fn word<T: AnyBitPattern, const AT: usize>(&self) -> T {
        const { assert!(AT + size_of::<T>() <= N) };
        let at = self.start.wrapping_add(AT).cast::<T>();
        // SAFETY: `Frame::header` checked that all of the header is there, and the word lies within it.
        unsafe { if cfg!(target_arch = "bpf") { *at } else { at.read_unaligned() } }
    }

    /// The byte there.
    #[inline(always)]
    fn byte<const AT: usize>(&self) -> u8 {
        self.word::<u8, AT>()
    }

    /// The number of two bytes there.
    #[inline(always)]
    pub(crate) fn short<const AT: usize>(&self) -> u16 {
        u16::from_be(self.word::<u16, AT>())
    }

    /// The address there.
    #[inline(always)]
    fn address<const AT: usize, const BEHIND: usize>(&self) -> Address {
        Address([self.word::<u64, AT>(), self.word::<u64, BEHIND>()])
    }
}

/// Parses a frame.
///
/// # Errors
/// [`NotCounted`] when it holds no IP packet.
pub fn parse(frame: Frame<'_>, link: LinkLayer) -> Result<Packet, NotCounted> {
    let mut packet = Packet::default();
    parse_into(frame, link, &mut packet).map(|()| packet)
}

/// Parses what follows the header of some link, of which its EtherType and the MAC addresses are left.
///
/// # Errors
/// As [`parse`].
pub fn parse_network(frame: Frame<'_>, ether_type: u16, macs: MacPair) -> Result<Packet, NotCounted> {
    let mut packet = Packet { macs, ..Packet::default() };
    let payload = network(frame, ether_type.to_be(), &mut packet)?;
    payload.parse_into(&mut packet, |_, _| {});
    Ok(packet)
}

/// Parses a frame into `packet`, whatever that was before: out of a result that is a packet or an error, LLVM would take it byte by
/// byte.
///
/// # Errors
/// As [`parse`]; what is then in `packet` means nothing.
#[inline(always)]
pub fn parse_into(frame: Frame<'_>, link: LinkLayer, packet: &mut Packet) -> Result<(), NotCounted> {
    parse_and_tell(frame, link, packet, |_, _| {})
}

/// The same, and tells a message of neighbour discovery, with its MACs. Told where it is found, that costs other packets nothing.
///
/// # Errors
/// As [`parse_into`].
#[inline(always)]
pub fn parse_and_tell(
    frame: Frame<'_>,
    link: LinkLayer,
    packet: &mut Packet,
    tell: impl FnOnce(Message, &MacPair),
) -> Result<(), NotCounted> {
    packet.reset();
    let payload = match link {
        LinkLayer::Ethernet => ethernet(frame, packet)?,
        LinkLayer::RawIp => {
            packet.macs = MacPair::default();
            match frame.header::<1>().ok_or(NotCounted::OtherProtocol)?.byte::<0>() >> 4 {
                4 => ipv4(frame, packet)?,
                6 => ipv6(frame, packet)?,
                _ => return Err(NotCounted::OtherProtocol),
            }
        }
    };
    payload.parse_into(packet, tell);
    Ok(())
}

#[inline(always)]
fn ethernet<'a>(frame: Frame<'a>, packet: &mut Packet) -> Result<Payload<'a>, NotCounted> {
    let header = frame.header::<ETHERNET>().ok_or(NotCounted::OtherProtocol)?;
    packet.macs = MacPair([header.word::<u64, 0>(), header.word::<u32, 8>().into()]);
    network(frame.skip(ETHERNET), header.word::<u16, 12>(), packet)
}

/// As they lie in a frame: compared so, an EtherType need not be turned.
const IPV4_TYPE: u16 = ether_type::IPV4.to_be();
const IPV6_TYPE: u16 = ether_type::IPV6.to_be();

/// What follows the header of a link that says this type, in network byte order.
#[inline(always)]
fn network<'a>(frame: Frame<'a>, ether_type: u16, packet: &mut Packet) -> Result<Payload<'a>, NotCounted> {
    let (mut frame, mut ether_type) = (frame, ether_type);
    if ether_type != IPV4_TYPE && ether_type != IPV6_TYPE {
        cold_path();
        let (length, what) = look_through(frame, u16::from_be(ether_type)).ok_or(NotCounted::OtherProtocol)?;
        // Through memory of which the verifier knows nothing: it would follow each of twenty ways here to the end.
        packet.encapsulation = length as u8;
        frame = frame.skip(opaque_read(&packet.encapsulation) as usize % MAX_ENCAPSULATION);
        ether_type = what.to_be();
    }
    match ether_type {
        IPV4_TYPE => ipv4(frame, packet),
        IPV6_TYPE => ipv6(frame, packet),
        _ => Err(NotCounted::OtherProtocol),
    }
}

/// More bytes than [`look_through`] ever looks through; a power of two.
const MAX_ENCAPSULATION: usize = 64;

const _: () = assert!(4 * MAX_TAGS + 4 * MAX_LABELS < MAX_ENCAPSULATION);

/// The length of VLAN tags up to [`MAX_TAGS`], and then of a header that carries IP on behalf of another network: IEEE
/// 802.2 SNAP (RFC 1042), a PPPoE session (RFC 2516), MPLS labels (RFC 3032) up to [`MAX_LABELS`]; and what is behind.
#[inline(always)]
fn look_through(frame: Frame<'_>, ether_type: u16) -> Option<(usize, u16)> {
    let (mut frame, mut length, mut ether_type) = (frame, 0, ether_type);
    for _ in 0..MAX_TAGS {
        match ether_type {
            ether_type::VLAN | ether_type::SERVICE_VLAN | ether_type::OLD_SERVICE_VLAN => {
                // A tag is two bytes of tag control information, then the next EtherType.
                ether_type = frame.header::<4>()?.short::<2>();
                (frame, length) = (frame.skip(4), length + 4);
            }
            _ => break,
        }
    }
    match ether_type {
        ether_type::IPV4 | ether_type::IPV6 => Some((length, ether_type)),
        0..ether_type::FIRST => {
            let header = frame.header::<8>()?;
            // DSAP and SSAP 0xaa, control 3, organisation 0; then the EtherType.
            let is_snap =
                header.word::<u32, 0>() == u32::from_ne_bytes([0xaa, 0xaa, 3, 0]) && header.word::<u16, 4>() == 0;
            is_snap.then(|| (length + 8, header.short::<6>()))
        }
        ether_type::PPPOE => {
            let header = frame.header::<8>()?;
            // Version and type 1, code 0 (data), session, length; then the PPP protocol, of which the first byte may be
            // compressed away (RFC 1661, section 6.5).
            match (header.short::<0>(), header.short::<6>()) {
                (0x1100, 0x0021) => Some((length + 8, ether_type::IPV4)),
                (0x1100, 0x0057) => Some((length + 8, ether_type::IPV6)),
                (0x1100, 0x2100..=0x21ff) => Some((length + 7, ether_type::IPV4)),
                (0x1100, 0x5700..=0x57ff) => Some((length + 7, ether_type::IPV6)),
                _ => None,
            }
        }
        ether_type::MPLS | ether_type::MPLS_MULTICAST => {
            for _ in 0..MAX_LABELS {
                // Twenty bits of label, three of class, one that says "the last", eight of time to live.
                let class_and_last = frame.header::<4>()?.byte::<2>();
                (frame, length) = (frame.skip(4), length + 4);
                if class_and_last & 1 == 1 {
                    // Nothing says what follows but its version.
                    return match frame.header::<1>()?.byte::<0>() >> 4 {
                        4 => Some((length, ether_type::IPV4)),
                        6 => Some((length, ether_type::IPV6)),
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
fn ipv4<'a>(frame: Frame<'a>, packet: &mut Packet) -> Result<Payload<'a>, NotCounted> {
    let header = frame.header::<IPV4>().ok_or(NotCounted::Malformed)?;
    // Version, and header length in words.
    let first = header.byte::<0>();
    let header_length = match first {
        0x45 => IPV4,
        0x46..=0x4f => (first as usize & 0x0f) << 2,
        _ => return Err(NotCounted::Malformed),
    };
    packet.source = Address::from_v4_word(header.word::<u32, 12>());
    packet.destination = Address::from_v4_word(header.word::<u32, 16>());
    packet.protocol = header.byte::<9>();
    // The total length counts the header itself.
    let claimed = claimed(header.short::<2>()) - header_length as i64;
    if claimed < 0 {
        return Err(NotCounted::Malformed);
    }
    // Flags, of which one says "more fragments", and thirteen bits of offset.
    let fragment = header.word::<u16, 6>();
    if fragment & 0x3fff_u16.to_be() != 0 {
        cold_path();
        packet.fragment = true;
        if fragment & 0x1fff_u16.to_be() != 0 {
            return Ok(Payload { frame, claimed: 0 });
        }
    }
    let payload = Payload { frame: frame.skip(header_length), claimed };
    if packet.protocol == number::AUTHENTICATION {
        cold_path();
        return Ok(authenticated(payload, packet));
    }
    Ok(payload)
}

#[inline(always)]
fn ipv6<'a>(frame: Frame<'a>, packet: &mut Packet) -> Result<Payload<'a>, NotCounted> {
    let header = frame.header::<IPV6>().ok_or(NotCounted::Malformed)?;
    // Version, and half of the class.
    if header.byte::<0>() >> 4 != 6 {
        return Err(NotCounted::Malformed);
    }
    packet.source = header.address::<8, 16>();
    packet.destination = header.address::<24, 32>();
    if packet.source.is_v4_opaque() || packet.destination.is_v4_opaque() {
        cold_path();
        return Err(NotCounted::Martian);
    }
    packet.protocol = header.byte::<6>();
    let mut frame = frame.skip(IPV6);
    let mut claimed = claimed(header.short::<4>());
    for _ in 0..MAX_EXTENSIONS {
        let is_fragment = packet.protocol == number::FRAGMENT;
        match packet.protocol {
            number::HOP_BY_HOP
            | number::ROUTING
            | number::DESTINATION_OPTIONS
            | number::MOBILITY
            | number::HIP
            | number::SHIM6
            | number::AUTHENTICATION
            | number::FRAGMENT => {}
            _ => break,
        }
        cold_path();
        // The chain is followed only as far as the frame goes; what it leads to is then unknown.
        let Some(extension) = frame.header::<4>() else { return Ok(Payload { frame, claimed: 0 }) };
        // The length field counts units of 8, or 4, bytes beyond the first 8. Shifts: the verifier of Linux 6.1 loses the
        // bounds of a product.
        let length = extension.byte::<1>() as u16;
        let length: u16 = 8 + match packet.protocol {
            number::FRAGMENT => 0,
            number::AUTHENTICATION => length << 2,
            _ => length << 3,
        };
        packet.protocol = extension.byte::<0>();
        if is_fragment {
            packet.fragment = true;
            if extension.word::<u16, 2>() & 0xfff8_u16.to_be() != 0 {
                return Ok(Payload { frame, claimed: 0 });
            }
        }
        // No longer than an extension can be, whichever it is: the verifier would follow each kind by itself, eight times.
        let length = opaque_read(&length) as usize & 0xfff;
        // May become negative: the verifier follows both sides of a comparison, here eight times.
        claimed -= length as i64;
        frame = frame.skip(length);
    }
    Ok(Payload { frame, claimed })
}

/// What is behind the authentication headers of IPv4. In IPv6 they are extension headers like others.
#[inline(always)]
fn authenticated<'a>(payload: Payload<'a>, packet: &mut Packet) -> Payload<'a> {
    let Payload { mut frame, mut claimed } = payload;
    for _ in 0..MAX_AUTHENTICATIONS {
        if packet.protocol != number::AUTHENTICATION || claimed < 4 {
            break;
        }
        let Some(header) = frame.header::<4>() else { return Payload { frame, claimed: 0 } };
        packet.protocol = header.byte::<0>();
        // Units of 4 bytes beyond the first 8.
        let length = 8 + ((header.byte::<1>() as usize) << 2);
        claimed -= length as i64;
        frame = frame.skip(length);
    }
    Payload { frame, claimed }
}

/// What a length field stands for: zero for one too long to be told (segmentation offload; a jumbogram, RFC 2675).
#[inline(always)]
fn claimed(length: u16) -> i64 {
    if length == 0 { i64::MAX / 2 } else { length as i64 }
}

/// What an IP packet carries.
#[derive(Clone, Copy)]
struct Payload<'a> {
    /// From where on.
    frame: Frame<'a>,
    /// How many bytes the IP header says there are; 0 where the transport header is in another fragment, or cannot be found.
    claimed: i64,
}

impl Payload<'_> {
    /// Adds the ports and flags, when the header is there: within the bytes that the IP header speaks of.
    ///
    /// Called once, behind all that finds it: with a copy for each kind of IP, the kernel program would have the whole packet in
    /// other registers, and move it, wherever the ways meet.
    #[inline(always)]
    fn parse_into(self, packet: &mut Packet, tell: impl FnOnce(Message, &MacPair)) {
        let Self { frame, claimed } = self;
        if !matches!(packet.protocol, number::TCP | number::UDP | number::SCTP) || claimed < 4 {
            if packet.protocol == number::ICMPV6
                && claimed >= DISCOVERY
                && let Some(message) = frame.header::<1>().and_then(|header| Message::of_icmp(header.byte::<0>()))
            {
                tell(message, &packet.macs);
            }
            return;
        }
        let Some(header) = frame.header::<4>() else { return };
        packet.source_port = header.short::<0>();
        packet.destination_port = header.short::<2>();
        if packet.protocol == number::TCP
            && claimed >= 14
            && let Some(header) = frame.header::<14>()
        {
            packet.tcp_flags = header.byte::<13>().into();
            // The length of the header in words, and reserved bits.
            packet.payload = claimed > (header.byte::<12>() >> 4 << 2) as i64;
        }
    }
}
