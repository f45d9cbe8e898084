//! What hostile bytes are given to, one function for each kind of them. `cargo xtask fuzz` has libFuzzer invent the bytes;
//! the tests replay those that were worth keeping (`fuzz/seeds`). A function ends without a word whatever it is given, or
//! panics where something is wrong.

mod actor;
mod capture;
mod config;
mod filter;
mod flows;
mod logs;
mod memory;
mod packet;
mod places;
mod request;
mod screen;
mod sockets;
mod web;

use nettop_model::visible::is_unseen;

pub use self::{
    actor::hand_request,
    capture::capture,
    config::config,
    filter::filter,
    flows::flows,
    logs::{auth_line, log_json, log_line},
    packet::packet,
    places::{location_csv, mmdb},
    request::request,
    screen::{keys, size},
    sockets::sockets,
    web::web,
};

/// A target of fuzzing.
pub struct FuzzTarget {
    /// The name of its file in `fuzz/fuzz_targets`, and of its folder in `fuzz/seeds`.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[FuzzTarget] = &[
    FuzzTarget { name: "packet", run: packet },
    FuzzTarget { name: "capture", run: capture },
    FuzzTarget { name: "location_csv", run: location_csv },
    FuzzTarget { name: "mmdb", run: mmdb },
    FuzzTarget { name: "request", run: request },
    FuzzTarget { name: "filter", run: filter },
    FuzzTarget { name: "config", run: config },
    FuzzTarget { name: "keys", run: keys },
    FuzzTarget { name: "size", run: size },
    FuzzTarget { name: "sockets", run: sockets },
    FuzzTarget { name: "flows", run: flows },
    FuzzTarget { name: "web", run: web },
    FuzzTarget { name: "log_line", run: log_line },
    FuzzTarget { name: "log_json", run: log_json },
    FuzzTarget { name: "auth_line", run: auth_line },
    FuzzTarget { name: "hand_request", run: hand_request },
];

/// Expects every character to stand for itself wherever it is shown.
#[track_caller]
fn expect_visible(what: &str, text: &str) {
    // Nearly all text is.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return;
    }
    let obeyed = text.chars().find(|character| is_unseen(*character));
    assert_eq!(obeyed, None, "{what}: {text:?}");
}
