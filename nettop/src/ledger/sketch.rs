//! How often keys without an account were seen lately: a count-min sketch (Cormode, Muthukrishnan 2005) of bytes that are
//! halved every second, as TinyLFU does (Einziger, Friedman, Manes 2017). It never says less than the truth.

/// The counts.
#[derive(Debug, Default)]
pub struct Sketch(Vec<u8>);

impl Sketch {
    /// Sees the key with this hash `times` more; returns how often that makes lately, and whether it is for the first time.
    /// `size`: bytes to be used, a power of two; taken when first needed.
    pub fn see(&mut self, hash: u64, times: u64, size: usize) -> (u8, bool) {
        if self.0.is_empty() {
            self.0 = vec![0; size];
        }
        let mask = self.0.len() - 1;
        let [one, two] = [hash as usize & mask, (hash >> 32) as usize & mask];
        let before = self.0[one].min(self.0[two]);
        let now = before.saturating_add(times.min(u64::from(u8::MAX)) as u8);
        for index in [one, two] {
            self.0[index] = self.0[index].max(now);
        }
        (now, before == 0)
    }

    /// Another second has begun.
    pub fn fade(&mut self) {
        self.0.iter_mut().for_each(|count| *count /= 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_says_less_than_the_truth_and_forgets() {
        let mut sketch = Sketch::default();
        let hash = |key: u64| key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for key in 0..100_000 {
            sketch.see(hash(key), 1, 1 << 20);
        }
        let more = (0..1000).filter(|key| sketch.see(hash(*key), 2, 1 << 20).0 > 3).count();
        assert!(more < 20, "{more} of 1000 were taken for more than they are");
        assert!((0..1000).all(|key| sketch.see(hash(key), 0, 1 << 20).0 >= 3));
        (0..2).for_each(|_| sketch.fade());
        assert_eq!(sketch.see(hash(7), 1, 1 << 20), (1, true));
        assert_eq!(sketch.see(hash(7), u64::MAX, 1 << 20), (255, false));
    }
}
