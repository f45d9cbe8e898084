//! The dashboard from outside: its interfaces, who is refused, and what hostile clients cost.

mod api;
mod bounds;
mod guard;
mod process;
mod prometheus;
mod rest;
mod scrapes;
mod sockets;

use nettop_tests::{monitor::Monitor, web::Dashboard};

/// A demonstration with a dashboard.
fn start(arguments: &str) -> (Monitor, Dashboard) {
    let monitor = Monitor::demo(&format!("--seed 7 --web 127.0.0.1:0 {arguments}"));
    let dashboard = Dashboard::of(&monitor);
    (monitor, dashboard)
}
