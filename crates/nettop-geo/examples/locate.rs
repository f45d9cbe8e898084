//! Tells where the addresses on its input are: `cargo run -p nettop-geo --example locate [FILE…]`.
//!
//! The files are databases, as for `--location-db`. Each line is looked up in what is in force at that moment, so that
//! one can replace a file between two lines and see what happens.

use std::{io::BufRead as _, net::IpAddr, path::PathBuf};

use anyhow::Result;
use nettop_geo::Watcher;

fn main() -> Result<()> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let watcher = Watcher::open(&files)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let geo = watcher.current();
        match line.trim().parse::<IpAddr>() {
            Ok(ip) => println!("{ip}: {:?}", geo.look_up(ip)),
            Err(_) => geo.databases().iter().for_each(|database| println!("{database:?}")),
        }
        for problem in watcher.problems() {
            println!("problem: {problem}");
        }
    }
    Ok(())
}
