//! Reading HyperLogLog registers.

use nettop_common::unique::{REGISTERS, Registers};

/// How many distinct addresses were added: a harmonic mean over the registers, with linear counting while many are empty
/// (Flajolet, Fusy, Gandouet, Meunier 2007, figure 3). A 64-bit hash needs no correction at the upper end.
pub fn estimate(registers: &Registers) -> f64 {
    let count = REGISTERS as f64;
    let alpha = 0.7213 / (1.0 + 1.079 / count);
    let sum: f64 = registers.0.iter().map(|value| (-f64::from(*value)).exp2()).sum();
    let empty = registers.0.iter().filter(|value| **value == 0).count();
    let raw = alpha * count * count / sum;
    if raw <= 2.5 * count && empty > 0 { count * (count / empty as f64).ln() } else { raw }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;
    use nettop_common::Address;

    use super::*;

    #[test]
    fn estimates_are_within_three_percent() {
        for distinct in [1u32, 100, 10_000, 100_000, 1_000_000] {
            let mut registers = Registers::zeroed();
            for address in 0..distinct {
                registers.insert(Address::from_v4_word(address.wrapping_mul(2_654_435_761)));
                registers.insert(Address::from_v4_word(address.wrapping_mul(2_654_435_761)));
            }
            let error = (estimate(&registers) / f64::from(distinct) - 1.0).abs();
            assert!(error < 0.03, "{distinct}: off by {error}");
        }
    }
}
