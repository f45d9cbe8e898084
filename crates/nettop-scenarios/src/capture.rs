//! A scenario as a capture file.

use std::io::{self, Write};

use anyhow::Result;
use nettop_engine::rates::SECOND_NS;

use crate::{
    play::Form,
    recipe::{Recipes, Scenario},
    render::Renderer,
    world::World,
};

/// When the first packet comes, seconds since 1970.
const BEGIN: u64 = 1_700_000_000;

/// Writes a scenario as libpcap's savefile with nanoseconds, each packet up to `snap` bytes; what is not a header is zero.
///
/// # Errors
/// The recipe says what has no meaning, or it cannot be written.
pub fn write(scenario: &Scenario, recipes: &Recipes, form: Form, snap: u32, file: &mut impl Write) -> Result<u64> {
    let numbers = |file: &mut dyn Write, numbers: &[u32]| -> io::Result<()> {
        numbers.iter().try_for_each(|number| file.write_all(&number.to_le_bytes()))
    };
    // Magic number, version 2.4, two words that are zero, the longest packet, Ethernet.
    numbers(file, &[0xa1b2_3c4d, 4 << 16 | 2, 0, 0, snap, 1])?;
    let (mut world, mut renderer) = (World::new(scenario, recipes)?, Renderer::default());
    let (mut packets, mut bytes) = (0, Vec::new());
    while let Some(step) = world.next_step() {
        for packet in step.iter().filter(|packet| form == Form::Both || !packet.is_out) {
            let (frame, length) = renderer.render(packet);
            bytes.clear();
            bytes.extend(frame);
            bytes.resize(length.min(snap.into()) as usize, 0);
            let second = (BEGIN + packet.at_ns / SECOND_NS) as u32;
            numbers(file, &[second, (packet.at_ns % SECOND_NS) as u32, bytes.len() as u32, length as u32])?;
            file.write_all(&bytes)?;
            packets += 1;
        }
    }
    Ok(packets)
}
