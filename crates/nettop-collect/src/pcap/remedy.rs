//! What to do where no packet of a capture is IP.

use super::{link::link_type, sample::Sample};

/// Where IP begins in packets of a link type, and what editcap (of Wireshark) calls that. The surest first.
const FORMS: [(usize, u32, &str); 10] = [
    (14, 1, "ether"),
    (18, 1, "ether"),
    (20, 276, "linux-sll2"),
    (16, 113, "linux-sll"),
    (4, 104, "chdlc"),
    (4, 9, "ppp"),
    (2, 9, "ppp"),
    (4, 0, "null"),
    (1, 9, "ppp"),
    (0, 101, "rawip"),
];
/// A link may add so many bytes to a short packet, and a checksum.
const MOST_PADDING: usize = 64;

/// EtherTypes that are met alone, and what to do then.
const ALONE: [(u16, &str, &str); 9] = [
    (0x0806, "ARP", ELSEWHERE),
    (0x88e5, "MACsec, which is encrypted", "capture on the macsec interface, behind the decryption"),
    (0x888e, "EAPOL", "capture where the port has let the hosts in"),
    (0x88cc, "LLDP", ELSEWHERE),
    (0x8863, "PPPoE discovery", "capture once the session is up"),
    (0x8906, "FCoE", ELSEWHERE),
    (0x8892, "PROFINET", ELSEWHERE),
    (0x88a4, "EtherCAT", ELSEWHERE),
    (0x88f7, "PTP", ELSEWHERE),
];
const ELSEWHERE: &str = "capture where IP passes, such as a mirror port, and without a filter that leaves it out";
/// The numbers below are lengths.
const FIRST_ETHER_TYPE: u16 = 0x0600;
const ETHERNET: u32 = 1;

/// What to do about packets of this link type, of which one begins so.
pub fn remedy(number: u32, sample: &Sample) -> String {
    let reads_as = |(offset, number, _): &&(usize, u32, &str)| {
        let parse = link_type(*number).and_then(|link| link.parse);
        parse.is_some_and(|parse| parse(&sample.bytes, sample.order).is_ok()) && is_ip_at(sample, *offset)
    };
    let other = FORMS.iter().filter(|(_, other, _)| *other != number).find(reads_as);
    if let Some((_, other, editcap)) = other {
        let name = link_type(*other).map_or("", |link| link.name);
        return format!(
            "they read as link type {other} ({name}), so the file names the wrong one: `editcap -T {editcap}` names another"
        );
    }
    if number == ETHERNET
        && let Some([high, low]) = sample.bytes.get(12..).and_then(<[u8]>::first_chunk)
    {
        let ether_type = u16::from_be_bytes([*high, *low]);
        if let Some((_, name, what)) = ALONE.iter().find(|(known, ..)| *known == ether_type) {
            return format!("the first is {name}: {what}");
        }
        return match ether_type {
            ..FIRST_ETHER_TYPE => format!("the first is IEEE 802.2, such as spanning tree: {ELSEWHERE}"),
            _ => format!("the first has the EtherType {ether_type:#06x}: {ELSEWHERE}"),
        };
    }
    ELSEWHERE.into()
}

/// Whether a whole IP packet begins there: nothing else has its length in this place.
fn is_ip_at(sample: &Sample, offset: usize) -> bool {
    let Some(&[first, _, high, low, fifth, sixth, ..]) = sample.bytes.get(offset..) else { return false };
    let rest = (sample.length as usize).saturating_sub(offset);
    let length = match first {
        0x45..=0x4f => usize::from(u16::from_be_bytes([high, low])),
        0x60..=0x6f => 40 + usize::from(u16::from_be_bytes([fifth, sixth])),
        _ => return false,
    };
    length <= rest && rest - length <= MOST_PADDING
}

#[cfg(test)]
mod tests {
    use super::{super::record::Order, *};

    /// IPv4 with UDP and nothing in it.
    const IP: [u8; 28] =
        [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2, 0, 7, 0, 53, 0, 8, 0, 0];
    const MACS: [u8; 12] = [2, 0, 0, 0, 2, 0, 2, 0, 0, 0, 1, 0];

    #[test]
    fn the_likely_remedy_follows_from_the_first_bytes() {
        let cooked = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 1, 0, 0, 0, 8, 0];
        let ethernet = |rest: &[u8]| [&MACS[..], rest].concat();
        for (name, number, frame, expected) in [
            ("bare IP", 1, IP.to_vec(), "link type 101 (RAW)"),
            ("Ethernet", 101, ethernet(&[&[8, 0][..], &IP].concat()), "`editcap -T ether`"),
            ("padded Ethernet", 113, ethernet(&[&[8, 0][..], &IP, &[0; 18]].concat()), "link type 1 (ETHERNET)"),
            ("tagged Ethernet", 12, ethernet(&[&[0x81, 0, 0, 5, 8, 0][..], &IP].concat()), "link type 1 (ETHERNET)"),
            ("cooked", 1, [&cooked[..], &IP].concat(), "link type 113 (LINUX_SLL)"),
            ("PPP", 1, [&[0xff, 3, 0, 0x21][..], &IP].concat(), "link type 9 (PPP)"),
            ("Cisco HDLC", 101, [&[0x0f, 0, 8, 0][..], &IP].concat(), "link type 104 (C_HDLC)"),
            ("unknown link", 147, [&MACS[..], &[8, 0], &IP].concat(), "link type 1 (ETHERNET)"),
            ("ARP", 1, ethernet(&[8, 6, 0, 1]), "the first is ARP: capture where IP passes"),
            ("MACsec", 1, ethernet(&[0x88, 0xe5, 1]), "the macsec interface"),
            ("spanning tree", 1, ethernet(&[0, 38, 0x42, 0x42, 3]), "spanning tree"),
            ("an unknown EtherType", 1, ethernet(&[0x12, 0x34]), "EtherType 0x1234"),
            ("a length that does not fit", 1, [&IP[..], &[0; 99]].concat(), "EtherType 0xc000"),
            ("too short for anything", 1, vec![0x45], "capture where IP passes"),
            ("nothing", 104, Vec::new(), "capture where IP passes"),
            ("not Ethernet", 104, vec![0x0f, 0, 0x20, 0], "capture where IP passes"),
        ] {
            let sample = Sample::new(&frame, frame.len() as u32, Order::default());
            let remedy = remedy(number, &sample);
            assert!(remedy.contains(expected), "{name}: {remedy}");
        }
    }
}
