//! The `nettopctl` binary: `nettop ctl` under its own name.

use std::process::ExitCode;

fn main() -> ExitCode {
    nettop::run_ctl(std::env::args_os())
}
