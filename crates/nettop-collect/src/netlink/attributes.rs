//! The attributes of netlink messages, one by one.

use std::net::IpAddr;

use netlink_packet_core::NlasIterator;

/// Bytes before an attribute's value: its length and its kind.
const HEADER: usize = 4;

/// The attributes, with their kinds, up to the first whose length is wrong: behind it nobody knows where the next one is.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(bytes).map_while(Result::ok).filter_map(|attribute| {
        let (kind, length) = (attribute.kind(), usize::from(attribute.length()));
        Some((kind, attribute.into_inner().get(HEADER..length)?))
    })
}

/// Appends an attribute.
pub fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(((HEADER + value.len()) as u16).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// The number that is a whole value; `None`: it is of another length.
pub fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

/// The number at a place of a structure.
pub fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    number(bytes.get(at..at + 4)?)
}

/// The address, in the order of the network, that is a whole value; `None`: it is of another length.
pub fn address(value: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(value).ok().map(IpAddr::from);
    v4().or_else(|| <[u8; 16]>::try_from(value).ok().map(IpAddr::from))
}

/// A text without the zero byte that ends it.
pub fn text(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_found() {
        let mut message = Vec::new();
        attribute(&mut message, 7, &[1, 2, 3]);
        attribute(&mut message, 8, &5u32.to_ne_bytes());
        attribute(&mut message, 9, &[]);
        assert_eq!(message.len(), 8 + 8 + 4);
        let five = 5u32.to_ne_bytes();
        assert_eq!(attributes(&message).collect::<Vec<_>>(), [(7, &[1, 2, 3][..]), (8, &five), (9, &[])]);
    }

    #[test]
    fn what_is_before_a_broken_attribute_is_found() {
        let (small, nested): (&[u8], &[u8]) = (&[6, 0, 1, 0, 7, 8, 0, 0], &[8, 0, 2, 0x80, 1, 2, 3, 4]);
        let one = (1, &[7, 8][..]);
        let two = (2, &[1, 2, 3, 4][..]);
        for (name, message, expected) in [
            ("both", &[small, nested][..], &[one, two][..]),
            ("of a length of zero", &[small, &[0, 0, 3, 0], nested], &[one]),
            ("shorter than its header", &[nested, &[3, 0, 3, 0]], &[two]),
            ("longer than the message", &[small, &[60, 0, 1, 0, 1, 2]], &[one]),
            ("cut off", &[small, &[6, 0, 1]], &[one]),
            ("without its padding", &[nested, &[6, 0, 1, 0, 7, 8]], &[two, one]),
            ("nothing", &[], &[]),
        ] {
            assert_eq!(attributes(&message.concat()).collect::<Vec<_>>(), expected, "{name}");
        }
    }

    #[test]
    fn numbers_and_texts_are_of_their_length_or_nothing() {
        assert_eq!(number(&9u32.to_ne_bytes()), Some(9));
        assert_eq!((number(&[1, 2, 3]), number(&[0; 8]), number_at(&[0; 6], 3)), (None, None, None));
        assert_eq!((text(b"eth0\0"), text(b"eth0"), text(b"\0x")), (&b"eth0"[..], &b"eth0"[..], &b""[..]));
    }
}
