//! The compiled program. It is deflated in the binary; inflating it takes a third of a millisecond of the start.

use std::io::{self, Read as _};

use flate2::read::DeflateDecoder;

/// What `cargo xtask ebpf` made, deflated by `build.rs`.
static DEFLATED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/nettop.bpf.o.deflate"));

/// The program as an ELF object, in words: whoever parses it looks at them in place.
///
/// # Errors
/// There are none while the binary is whole.
pub fn inflate() -> io::Result<Vec<u64>> {
    let mut object = Vec::new();
    DeflateDecoder::new(DEFLATED).read_to_end(&mut object)?;
    Ok(bytemuck::pod_collect_to_vec(&object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_the_one_that_was_deflated() {
        let object = inflate().unwrap();
        assert_eq!(bytemuck::cast_slice::<_, u8>(&object), include_bytes!("../../../../data/nettop.bpf.o"));
    }
}
