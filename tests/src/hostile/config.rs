//! Configuration files, and the one that is printed of what was read.

use std::{ffi::OsString, path::Path};

use nettop::{
    cli::{Cli, Exit},
    config::{self, Config},
};

use super::{expect_visible, memory::file};

/// Reads `data` as a configuration file; what is then in force has to be a file that says the same.
pub fn config(data: &[u8]) {
    let (_kept, path) = file(data);
    let first = match read(&path) {
        Ok(config) => config::effective(&config),
        Err(Exit::Usage(line)) => return assert!(line.contains(&path.display().to_string()), "no place: {line}"),
        Err(Exit::Printed(text)) => panic!("printed {text}"),
    };
    first.lines().for_each(|line| expect_visible("the configuration", line));
    let (_kept, path) = file(first.as_bytes());
    let again = read(&path).map(|config| config::effective(&config));
    assert_eq!(values(&again.expect("what is printed can be read")), values(&first));
}

fn read(path: &Path) -> Result<Config, Exit> {
    let arguments = ["nettop", "config", "--config"].map(OsString::from);
    config::parse::<Cli>(arguments.into_iter().chain([path.into()])).map(|(_, config)| config)
}

/// All keys and values, without comments.
fn values(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with("# "));
    lines.map(|line| line.rsplit_once("  # ").map_or(line, |(value, _)| value)).collect()
}
