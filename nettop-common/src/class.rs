//! The class that every packet is counted in, once, at the program's one exit. Everything else that is told of all packets
//! (outcomes, protocols, sizes, fragments) is a sum over classes, and so cannot contradict the rest.

use crate::{Outcome, Protocol, SizeBucket};

/// The outcome of a packet; and of a counted one its protocol, its size, and whether it is a fragment.
///
/// Below eight it is the [`Outcome`] alone: of a counted one, when the program was told not to look. Else it is from the highest bit
/// on 1 + [`Protocol`], two bits of [`SizeBucket`], and one that says "fragment".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class(u8);

// Three bits of protocol, two of size, one of fragment.
const _: () = assert!(Outcome::COUNT <= 8 && Protocol::COUNT < 8 && SizeBucket::COUNT <= 4);

impl Class {
    /// How many there are: the length of the array of counters.
    pub const COUNT: usize = 1 << 6;

    /// Of a packet of which only that is known.
    #[inline(always)]
    pub const fn of(outcome: Outcome) -> Self {
        Self(outcome as u8)
    }

    /// Of a counted packet.
    #[inline(always)]
    pub const fn counted(protocol: Protocol, size: SizeBucket, fragment: bool) -> Self {
        Self((1 + protocol as u8) << 3 | (size as u8) << 1 | fragment as u8)
    }

    /// Each of them, in the order of the array.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT as u8).map(Self)
    }

    /// Its place in the array.
    #[inline(always)]
    pub const fn index(self) -> usize {
        // For the verifier.
        self.0 as usize % Self::COUNT
    }

    /// What became of the packet.
    pub fn outcome(self) -> Outcome {
        Outcome::ALL.get(usize::from(self.0)).copied().unwrap_or(Outcome::Counted)
    }

    /// Whether that became of the packet, for the kernel program; not for what was counted.
    #[inline(always)]
    pub const fn outcome_is(self, outcome: Outcome) -> bool {
        self.0 == outcome as u8
    }

    /// The protocol of a counted packet.
    pub fn protocol(self) -> Option<Protocol> {
        Protocol::ALL.get(usize::from(self.0 >> 3).checked_sub(1)?).copied()
    }

    /// The size of a counted packet.
    pub fn size(self) -> Option<SizeBucket> {
        self.protocol().map(|_| SizeBucket::ALL[usize::from(self.0 >> 1 & 3)])
    }

    /// Whether it is known to be a fragment.
    pub fn is_fragment(self) -> bool {
        self.protocol().is_some() && self.0 & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_tells_what_it_was_made_of() {
        let mut classes = vec![];
        for outcome in Outcome::ALL {
            let class = Class::of(*outcome);
            assert_eq!(
                (class.outcome(), class.protocol(), class.size(), class.is_fragment()),
                (*outcome, None, None, false)
            );
            classes.push(class.index());
        }
        for protocol in Protocol::ALL {
            for size in SizeBucket::ALL {
                for fragment in [false, true] {
                    let class = Class::counted(*protocol, *size, fragment);
                    let told = (class.outcome(), class.protocol(), class.size(), class.is_fragment());
                    assert_eq!(told, (Outcome::Counted, Some(*protocol), Some(*size), fragment));
                    classes.push(class.index());
                }
            }
        }
        let count = classes.len();
        classes.sort_unstable();
        classes.dedup();
        assert_eq!(classes.len(), count, "two have the same place");
    }
}
