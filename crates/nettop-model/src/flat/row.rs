//! Single rows in the flat form: what a table writes to a file.

use serde_json::{Error, Value, to_value};

use super::rows::{FlatCountry, FlatNetwork, FlatPrefix, FlatSource};
use crate::snapshot::{
    Alert, BlockRow, Connection, ConnectionSum, CountryRow, DestinationRow, DropReason, Flow, LogLine, MacRow,
    NeighbourRow, NetworkRow, PortRow, PrefixRow, ProcessRow, SourceRow, VisitRow,
};

/// A row that has a flat form: an object, with everything that is known of it.
pub trait Row {
    /// It.
    ///
    /// # Errors
    /// A number or a key cannot be written as JSON.
    fn to_flat(&self) -> Result<Value, Error>;
}

/// Rows that are flat as they are.
macro_rules! plain {
    ($($row:ty)+) => {
        $(impl Row for $row {
            fn to_flat(&self) -> Result<Value, Error> {
                to_value(self)
            }
        })+
    };
}

plain! { Alert BlockRow Connection ConnectionSum DestinationRow DropReason Flow MacRow NeighbourRow PortRow ProcessRow
VisitRow std::sync::Arc<LogLine> }

/// Rows that have another form.
macro_rules! flattened {
    ($($row:ty => $flat:ty,)+) => {
        $(impl Row for $row {
            fn to_flat(&self) -> Result<Value, Error> {
                to_value(<$flat>::from(self))
            }
        })+
    };
}

flattened! {
    CountryRow => FlatCountry,
    NetworkRow => FlatNetwork,
    PrefixRow => FlatPrefix,
}

impl Row for SourceRow {
    fn to_flat(&self) -> Result<Value, Error> {
        to_value(FlatSource::from(self.clone()))
    }
}
