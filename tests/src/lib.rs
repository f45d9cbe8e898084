//! What the tests share: network namespaces, crafted frames, the kernel program by itself, and the built nettop driven
//! from outside. Nothing here touches the network of the host.

pub mod audit;
pub mod blocking;
pub mod both;
pub mod bpf;
pub mod captures;
pub mod egress;
pub mod enough;
pub mod flood;
pub mod frames;
pub mod group;
pub mod held;
pub mod hostile;
pub mod kernel;
pub mod mirror;
pub mod monitor;
pub mod naive;
pub mod net;
pub mod nginx;
pub mod peers;
pub mod program;
pub mod screen;
pub mod send;
pub mod skip;
pub mod sshd;
pub mod systemd;
pub mod terminal;
pub mod tracepoints;
pub mod traffic;
pub mod visits;
pub mod web;
