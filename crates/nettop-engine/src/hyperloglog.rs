//! Reading HyperLogLog registers.

use nettop_common::unique::{PRECISION, REGISTERS, Registers};

/// The highest value of a register: every bit of a hash beyond those that choose the register was zero.
const HIGHEST: usize = (u64::BITS - PRECISION + 1) as usize;

/// How many registers have each value.
type Histogram = [u32; HIGHEST + 1];

/// How many distinct addresses were added: the improved raw estimator of Otmar Ertl, "New cardinality estimation algorithms for
/// HyperLogLog sketches" (2017), algorithm 6. It needs no correction at either end and has no bias between them; its
/// standard error is 1.04 / √2¹⁴ = 0.8 %.
pub fn estimate(registers: &Registers) -> f64 {
    let mut histogram = [0; HIGHEST + 1];
    registers.0.iter().for_each(|value| histogram[usize::from(*value).min(HIGHEST)] += 1);
    estimate_from(&histogram)
}

fn estimate_from(histogram: &Histogram) -> f64 {
    let count = REGISTERS as f64;
    let (empty, highest) = (histogram[0], histogram[HIGHEST]);
    let mut sum = count * tau(1.0 - f64::from(highest) / count);
    for registers in histogram[1..HIGHEST].iter().rev() {
        sum = 0.5 * (sum + f64::from(*registers));
    }
    sum += count * sigma(f64::from(empty) / count);
    count * count / (2.0 * std::f64::consts::LN_2 * sum)
}

/// What the empty registers add: x + Σ x^(2^k) 2^(k−1). Infinite where all are.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * power;
        power += power;
        if sum == before {
            return sum;
        }
    }
}

/// What the full registers add: (1 − x − Σ (1 − x^(2^−k))² 2^−k) / 3.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut power, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        power *= 0.5;
        sum -= (1.0 - x).powi(2) * power;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;
    use fastrand::Rng;
    use nettop_common::{Address, unique::HashKey};

    use super::*;

    /// Sizes from 10 to 10 million, evenly on a logarithmic scale.
    fn sizes() -> Vec<u64> {
        (0..200).map(|at| 10_f64.powf(1.0 + 6.0 * f64::from(at) / 199.0).round() as u64).collect()
    }

    /// Registers to which more and more random hashes are added: only how many there are of each value, which is all that is
    /// estimated from. Of a run of hashes that change nothing, which has a geometric distribution, only the length is drawn: so ten
    /// million cost as much as those 200,000 that do.
    struct Simulated {
        random: Rng,
        histogram: Histogram,
        /// The share of hashes that change a register: each does so with a probability of 2^-value.
        changing: f64,
        added: u64,
    }

    impl Simulated {
        fn new(seed: u64) -> Self {
            let mut histogram = [0; HIGHEST + 1];
            histogram[0] = REGISTERS as u32;
            Self { random: Rng::with_seed(seed), histogram, changing: 1.0, added: 0 }
        }

        /// Adds hashes until there are so many.
        fn reach(&mut self, size: u64) {
            while self.added < size {
                let unchanging = (1.0 - self.random.f64()).ln() / (-self.changing).ln_1p();
                // What is left of a run has no memory: it is drawn anew.
                self.added = self.added.saturating_add(unchanging as u64).min(size);
                if self.added < size {
                    self.added += 1;
                    self.change();
                }
            }
        }

        /// Adds a hash that raises a register.
        fn change(&mut self) {
            let share = |count: u32, value: usize| f64::from(count) / (REGISTERS as u64 * (1 << value)) as f64;
            let mut left = self.random.f64() * self.changing;
            let mut old = 0;
            for (value, count) in self.histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
                old = value;
                left -= share(*count, value);
                if left < 0.0 {
                    break;
                }
            }
            let new = (old + 1 + self.random.u64(..).leading_zeros() as usize).min(HIGHEST);
            self.histogram[old] -= 1;
            self.histogram[new] += 1;
            self.changing += share(1, new) - share(1, old);
        }
    }

    #[test]
    fn estimates_have_no_bias_and_the_standard_error_of_the_method() {
        const RUNS: u64 = 100;
        let sizes = sizes();
        let run = &|seed| {
            let mut simulated = Simulated::new(seed);
            let error = |size: &u64| {
                simulated.reach(*size);
                estimate_from(&simulated.histogram) / *size as f64 - 1.0
            };
            sizes.iter().map(error).collect::<Vec<f64>>()
        };
        let errors: Vec<_> = std::thread::scope(|scope| {
            let halves = [0, 1].map(|half| scope.spawn(move || (half..RUNS).step_by(2).map(run).collect::<Vec<_>>()));
            halves.into_iter().flat_map(|half| half.join().expect("it does not panic")).collect()
        });
        assert_eq!(errors.len() as u64, RUNS);
        let most = 1.04 / (REGISTERS as f64).sqrt();
        // The standard deviation of so many runs is itself uncertain: three standard errors of it.
        let uncertain = 1.0 + 3.0 / (2.0 * RUNS as f64).sqrt();
        for (at, size) in sizes.iter().enumerate() {
            let bias = errors.iter().map(|run| run[at]).sum::<f64>() / RUNS as f64;
            let variance = errors.iter().map(|run| (run[at] - bias).powi(2)).sum::<f64>() / RUNS as f64;
            assert!(bias.abs() < 0.003, "{size}: biased by {bias}");
            assert!(variance.sqrt() < most * uncertain, "{size}: a standard error of {}", variance.sqrt());
        }
    }

    /// The addresses of an attacker, of a network, of a scan: with the real hash, and added twice.
    #[test]
    fn patterns_of_addresses_are_as_good_as_random_ones() {
        let v6 = |high: u64, low: u64| Address([high.to_be(), low.to_be()]);
        let patterns: [(&str, &dyn Fn(u32) -> Address); 4] = [
            ("consecutive IPv4", &|n| Address::from_v4_word(n.to_be())),
            ("multiples of 65,536", &|n| Address::from_v4_word(n.rotate_left(16))),
            ("one host of each /64", &|n| v6(0x2001_0db8 << 32 | u64::from(n), 1)),
            ("hosts of one /64", &|n| v6(0x2001_0db8 << 32, n.into())),
        ];
        for (name, address) in patterns {
            for size in [1, 10, 1000, 41_000, 52_000, 200_000_u32] {
                let key = HashKey([0x1234_5678_9abc_def0 ^ u64::from(size), 0x0fed_cba9_8765_4321]);
                let mut registers = Registers::zeroed();
                for n in (0..size).chain(0..size) {
                    registers.insert(key.hash(address(n)));
                }
                let error = estimate(&registers) / f64::from(size) - 1.0;
                assert!(error.abs() < 4.0 * 0.00813, "{name}, {size}: off by {error}");
            }
        }
    }

    /// Whoever knows the addresses that count most under one key knows nothing of another.
    #[test]
    fn addresses_that_are_chosen_for_one_key_are_random_under_another() {
        let [known, secret] = [HashKey([1, 2]), HashKey([3, 4])];
        let chosen: Vec<_> = (0..1 << 20)
            .map(|n: u32| Address::from_v4_word(n))
            .filter(|address| known.hash(*address) << PRECISION >> 60 == 0)
            .collect();
        let estimated = |key: HashKey| {
            let mut registers = Registers::zeroed();
            chosen.iter().for_each(|address| registers.insert(key.hash(*address)));
            estimate(&registers) / chosen.len() as f64
        };
        assert!(chosen.len() > 60_000 && estimated(known) > 3.0, "{} of {}", estimated(known), chosen.len());
        assert!((estimated(secret) - 1.0).abs() < 0.04, "{}", estimated(secret));
    }

    #[test]
    fn the_ends_are_exact() {
        let mut registers = Registers::zeroed();
        assert_eq!(estimate(&registers), 0.0);
        registers.insert(HashKey::default().hash(Address::from_v4_word(1)));
        assert_eq!(estimate(&registers).round(), 1.0);
        registers.0.fill(HIGHEST as u8);
        assert!(estimate(&registers).is_infinite());
    }
}
