//! The actor: a process of its own that does what the sandbox of a monitor forbids: it runs firewall tools, the operator's own commands (hooks) or
//! journalctl, or opens logs. It is started first of all, before any map is loaded, and is asked over a socket that it has as its standard input.
//!
//! - It is asked by typed verbs ([`job::Job`]), never by a command line: programs and arguments are made here, of addresses, ports and
//!   numbers, and no shell reads them.
//! - There are four, each started only if something needs it: one runs firewall tools and has CAP_NET_ADMIN, one runs hooks and has nothing, one hands over
//!   the journal and one opens logs, with CAP_DAC_READ_SEARCH. The last two have one verb or two of their own ([`journal`], [`files`]).
//! - It ends when the monitor does, and kills what it is running then. What it made that does not end by itself it undoes.

pub mod files;
pub mod firewall;
pub mod hook;
pub mod job;
pub mod journal;
mod link;
mod runner;
mod serve;
mod start;

pub use self::{
    link::Link,
    serve::serve,
    start::{Started, start, try_out},
};
