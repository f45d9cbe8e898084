//! `nettop attach` and `nettopctl subscribe`: the screen over a monitor that runs elsewhere.

mod hostile;
mod rights;
mod screens;
mod subscribers;

use std::{path::Path, process::Command};

use nettop_tests::{program, screen::Screen};

/// A demonstration with its socket there.
fn demo(socket: &Path) -> nettop_tests::monitor::Monitor {
    let mut command = Command::new(program::path("nettop"));
    // Unoptimised, more often would keep the machine busy with drawing.
    command.args(["demo", "--interval", "0.5"]);
    nettop_tests::monitor::Monitor::start(command, socket)
}

/// A screen attached to that socket, in its folder, where it writes its files.
fn attach(socket: &Path, columns: u16, rows: u16) -> Screen {
    let mut command = Command::new(program::path("nettop"));
    command
        .arg("attach")
        .arg(socket)
        .current_dir(socket.parent().expect("a folder"))
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID");
    Screen::start(command, columns, rows)
}

/// The first line.
fn header(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
