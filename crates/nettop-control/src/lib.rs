//! The control channel: how [`Request`](nettop_model::request::Request)s come in from outside, and how answers go back.

mod accept;
pub mod answer;
pub mod channel;
mod chunks;
mod clients;
pub mod connection;
pub mod dial;
pub mod endpoint;
mod fair;
pub mod peer;
mod pool;
mod pulse;
pub mod remote;
mod send;
pub mod server;
pub mod socket;
pub mod socket_dir;
mod subscribe;
pub mod token;
