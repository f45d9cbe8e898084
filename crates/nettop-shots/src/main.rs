//! `cargo xtask shots`: the pictures in the README. The traffic is made up, and the same every time; everything else is nettop
//! itself: the capture is read, counted, judged and drawn by the code that does so for its users.

mod scene;
mod svg;
mod traffic;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

/// Make the pictures in the README
#[derive(Parser)]
#[command(name = "cargo xtask shots", bin_name = "cargo xtask shots")]
struct Cli {
    /// Where they are
    folder: PathBuf,
    /// Only look whether they are what would be made
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(Cli { folder, check }: &Cli) -> Result<()> {
    for (name, svg) in scene::pictures()? {
        let path = folder.join(name).with_extension("svg");
        if *check {
            let is = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            ensure!(is == svg, "{} is not what the screen looks like now; run `cargo xtask shots`", path.display());
        } else {
            fs::write(&path, &svg).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{}: {} bytes", path.display(), svg.len());
        }
    }
    Ok(())
}
