//! Compresses the files of the page, of which the binary then holds a third. Browsers take them as they are.

use std::{env, fs, io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};

const ASSETS: &str = "assets";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={ASSETS}");
    let folder = env::var_os("OUT_DIR").expect("cargo says where to write");
    let assets = fs::read_dir(ASSETS).unwrap_or_else(|error| panic!("{ASSETS} cannot be read: {error}"));
    for asset in assets {
        let path = asset.unwrap_or_else(|error| panic!("{ASSETS} cannot be read: {error}")).path();
        let content = fs::read(&path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&content).expect("memory takes everything");
        let name = path.file_name().expect("a file has a name").to_str().expect("a name in ASCII");
        let compressed = Path::new(&folder).join(format!("{name}.gz"));
        fs::write(&compressed, gzip.finish().expect("memory takes everything"))
            .unwrap_or_else(|error| panic!("{} cannot be written: {error}", compressed.display()));
    }
}
