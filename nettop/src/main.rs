//! The `nettop` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    nettop::run(std::env::args_os())
}
