//! Collectors: where counts come from. Each fills readings of its own kind, and derives nothing.

pub mod blocker;
pub mod collector;
pub mod counter;
pub mod demo;
pub mod drops;
pub mod flows;
pub mod host;
pub mod kernel;
pub mod lifelines;
pub mod logs;
pub mod netlink;
pub mod pcap;
pub mod privilege;
pub mod reading;
pub mod record;
pub mod sockets;
pub mod traffic;
mod whole_file;
