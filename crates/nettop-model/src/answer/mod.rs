//! Answers to [`Request`](crate::request::Request)s: what the engine gives, its JSON, and how a client reads that.

mod read;
mod write;

use std::sync::Arc;

use serde_json::{Map, Value};

pub(crate) use self::read::{fields, parse};
pub use self::{
    read::{Head, head, snapshot},
    write::{write_json, write_published},
};
use crate::{
    form::Form,
    kernel_maps::{Dump, Reader},
    snapshot::{History, Snapshot},
};

/// What a request is answered with.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The fields of the answer, beside `"ok": true`.
    Fields(Map<String, Value>),
    /// A snapshot; with the runtime state where `runtime` is set.
    Snapshot {
        /// The snapshot, whole: `form` is applied when it is written.
        snapshot: Arc<Snapshot>,
        /// How it is written.
        form: Form,
        /// Whether the answer is to `status`.
        runtime: bool,
    },
    /// Reads the kernel's maps, which takes longer than the engine may be away. The server calls it in a thread of its own.
    MapsReader(Reader),
    /// The contents of the kernel's maps.
    Maps(Arc<Dump>),
    /// Packets and bytes of one source, destination, port or prefix over the last minutes.
    History(Box<History>),
}

impl Answer {
    /// An answer of one field.
    pub fn field(name: &str, value: impl Into<Value>) -> Self {
        let mut fields = Map::new();
        fields.insert(name.to_string(), value.into());
        Self::Fields(fields)
    }
}

/// An answer, or what went wrong, in a sentence.
pub type Reply = Result<Answer, String>;
