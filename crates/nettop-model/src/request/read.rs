//! Readers of fields that more than one request has.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use crate::snapshot::DEFAULT_LIMIT;

/// The limit of a request that names none, rows.
pub(super) fn usual_limit() -> usize {
    DEFAULT_LIMIT
}

/// Reads a maximum number of rows, 0 for all; null is as if it was not there.
pub(super) fn limit<'de, D: Deserializer<'de>>(source: D) -> Result<usize, D::Error> {
    match Value::deserialize(source)? {
        Value::Null => Ok(usual_limit()),
        value => value
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or_else(|| D::Error::custom(format!("limit must be a whole number, 0 for all, not {value}"))),
    }
}

/// Reads a field that is there, though it may be null: `Option` alone takes that for a missing one.
pub(super) fn given<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(source).map(Some)
}
