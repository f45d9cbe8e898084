//! Deflates the kernel program, of which the binary then holds a fifth.

use std::{env, fs, io::Write as _, path::Path};

use flate2::{Compression, write::DeflateEncoder};

const OBJECT: &str = "../../data/nettop.bpf.o";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={OBJECT}");
    let object = fs::read(OBJECT).unwrap_or_else(|error| panic!("{OBJECT} cannot be read: {error}"));
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
    deflated.write_all(&object).expect("memory takes everything");
    let folder = env::var_os("OUT_DIR").expect("cargo says where to write");
    let path = Path::new(&folder).join("nettop.bpf.o.deflate");
    let deflated = deflated.finish().expect("memory takes everything");
    fs::write(&path, deflated).unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
}
