//! What can be asked of a running monitor. Keys on the screen and `nettopctl` send the same [`Request`]s to the engine.
//!
//! A request with fields has a file of its own: its fields, their JSON in both directions, the options of `nettopctl` that have
//! the same names, and how its answer is read. The table `requests!` in this file has one row for every request.

pub mod block;
mod history;
pub mod hook;
mod maps;
mod process;
mod read;
mod set;
mod snapshot;
mod status;
mod subscribe;
#[cfg(test)]
mod tests;
mod top;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    block::{Allow, Block, Unblock},
    hook::Hook,
    maps::Maps,
    process::Process,
    set::FilterChange,
    snapshot::Snapshot,
    status::Status,
    subscribe::Subscribe,
    top::Top,
};
pub use crate::form::Form;
use crate::{
    answer::{self, Reply},
    json,
    snapshot::Subject,
};

/// A command of the control protocol, as lists show it.
#[derive(Debug)]
pub struct Command {
    /// The value of `"cmd"`.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Whether clients that may only look may send it.
    pub effect: Effect,
}

/// Whether a request leaves everything as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes nothing of what is counted.
    Reads,
    /// Likewise, but it tells what only who may change things is to know.
    Confides,
    /// It changes settings or counters, or ends the monitor.
    Changes,
    /// It changes what becomes of packets, too.
    Acts,
}

/// The fields of a request. Their JSON is serde's business: derived, or through a struct of what may be written instead.
trait Fields: Sized {
    /// Reads the answer at a client's end. Its `ok` is true.
    #[inline]
    fn read_answer(&self, line: &[u8]) -> Reply {
        answer::fields(line)
    }

    /// One of each kind, for the test that what is written is read as the same.
    #[cfg(test)]
    fn samples() -> Vec<Self>;
}

/// Makes everything that has to know all requests: the enum, the list of commands, what only reads, the reading of answers, and
/// samples for a test. A row: name in the protocol, variant, type of its fields if it has any, effect, and what it does.
macro_rules! requests {
    (@samples $all:ident $variant:ident) => { $all.push(Self::$variant) };
    (@samples $all:ident $variant:ident $fields:ty) => {
        $all.extend(<$fields as Fields>::samples().into_iter().map(Self::$variant))
    };
    ($($name:literal $variant:ident $(($fields:ty))? $effect:ident $help:literal;)+) => {
        /// A wish to change or to know something. As JSON an object: its name as `cmd`, beside its fields.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "cmd")]
        pub enum Request {
            $(#[doc = $help] #[serde(rename = $name)] $variant $(($fields))?,)+
        }

        /// Every command of the control protocol.
        pub const COMMANDS: &[Command] =
            &[$(Command { name: $name, help: $help, effect: Effect::$effect },)+];

        impl Request {
            /// Whether it leaves everything as it is, and whom it may be answered.
            pub fn effect(&self) -> Effect {
                match self {
                    $(Self::$variant { .. } => Effect::$effect,)+
                }
            }

            /// Reads the answer to this request, at a client's end.
            #[inline]
            pub fn read_answer(&self, line: &[u8]) -> Reply {
                answer::head(line)?;
                match self {
                    $($(Self::$variant(fields) => <$fields as Fields>::read_answer(fields, line),)?)+
                    _ => answer::fields(line),
                }
            }

            /// Some of every request.
            #[cfg(test)]
            fn samples() -> Vec<Self> {
                let mut all = Vec::new();
                $(requests!(@samples all $variant $($fields)?);)+
                all
            }
        }

        $($(
            impl From<$fields> for Request {
                fn from(fields: $fields) -> Self {
                    Self::$variant(fields)
                }
            }
        )?)+
    };
}

requests! {
    "status" Status(Status) Reads "settings and a snapshot";
    "set" Set(FilterChange) Changes "change the filter or the interfaces";
    "top" Top(Top) Changes "show so many sources";
    "pause" Pause Changes "stop counting";
    "resume" Resume Changes "go on counting";
    "reset" Reset Changes "start counting anew";
    "snapshot" Snapshot(Snapshot) Reads "everything counted so far";
    "subscribe" Subscribe(Subscribe) Reads
        "the settings and a snapshot, and again each time there is a new one, a line each, until the client hangs up";
    "pulse" Pulse Reads
        "what was counted in all, ten times a second, a line each, until the client hangs up; first what the last hour was like";
    "maps" Maps(Maps) Reads "what the kernel's maps hold, CPU by CPU";
    "history" History(Subject) Reads
        "the last minutes of one source, dst, port, prefix, process or connection, which is followed from now on";
    "process" Process(Process) Confides "the command line of a process";
    "block" Block(Block) Acts "drop what comes from an address or a prefix, for a time";
    "unblock" Unblock(Unblock) Acts "end a block";
    "allow" Allow(Allow) Acts "never block an address or a prefix";
    "blocks" Blocks Reads "what is blocked";
    "cover" Cover Reads "the fewest prefixes that carry most of a flood, and which connections these have";
    "hook" Hook(Hook) Acts "run a command that was prepared, and tell what became of it";
    "hooks" Hooks Reads "which commands are prepared";
    "stop" Stop Changes "end the monitor";
}

/// The command of a request that names none.
const USUAL: &str = "status";

impl Request {
    /// The request that stops counting (`true`), or goes on.
    pub fn pause(paused: bool) -> Self {
        if paused { Self::Pause } else { Self::Resume }
    }

    /// As [`parse`] reads it.
    pub fn to_json(&self) -> Value {
        // This fails only for maps with keys that are not text: no request has one.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Reads one request: a line of JSON. Unknown fields are ignored.
///
/// # Errors
/// What is wrong with it.
pub fn parse(line: &[u8]) -> Result<Request, String> {
    // Not read as a request at once: of a field that comes twice, the last counts, where serde's derive would refuse.
    let value: Value = json::read(line).map_err(|error| format!("not a JSON request: {error}"))?;
    let Value::Object(mut fields) = value else { return Err("a request is a JSON object".into()) };
    match fields.entry("cmd").or_insert_with(|| USUAL.into()) {
        Value::String(name) if COMMANDS.iter().any(|command| command.name == name) => {}
        Value::String(name) => {
            let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
            return Err(format!("unknown command {name:?}; there are {}", names.join(", ")));
        }
        other => return Err(format!("cmd must be text, not {other}")),
    }
    Request::deserialize(Value::Object(fields)).map_err(|error| error.to_string())
}

/// The token that came with a request, if one did.
pub fn token_of(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Credentials {
        token: String,
    }
    json::read(line).ok().map(|Credentials { token }| token)
}
