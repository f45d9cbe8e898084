//! The dashboard: a monitor's snapshots and pulse over HTTP and WebSocket, for browsers, programs and Prometheus. It is a process of its own,
//! which reads the control channel as an attached screen does; nothing of it runs where packets are counted.

pub mod args;
mod assets;
mod compat;
mod deadline;
mod guard;
mod listen;
mod message;
mod metrics;
mod reply;
pub mod route;
mod socket;
mod stream;
mod token;
mod view;
mod web;

pub use self::{
    args::{DEFAULT_ADDRESS, Parts, WebArgs},
    listen::{bind, serve, serve_stream},
    metrics::exported as metrics,
    token::WebToken,
    web::{Feeds, Web},
};
