//! What can be left out.

use nettop_common::counters::Part;

/// A part of the monitor that is there unless somebody does without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optional {
    /// The kernel program does not count it.
    Counted(Part),
    /// What is sent is not counted.
    Egress,
    /// The host's sockets are not listed.
    Connections,
    /// The flows that it forwards or translates are not.
    Flows,
    /// Nothing can be dropped.
    Blocks,
}

impl Optional {
    /// All of them. Sources are what it is all about, and distinct ones would be wrong without saying so.
    pub fn all() -> impl Iterator<Item = Self> {
        let counted = Part::ALL.iter().filter(|part| !matches!(part, Part::Sources | Part::Unique));
        counted.map(|part| Self::Counted(*part)).chain([Self::Egress, Self::Connections, Self::Flows, Self::Blocks])
    }

    /// What options call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Counted(part) => part.label(),
            Self::Egress => "egress",
            Self::Connections => "connections",
            Self::Flows => "flows",
            Self::Blocks => "blocks",
        }
    }
}
