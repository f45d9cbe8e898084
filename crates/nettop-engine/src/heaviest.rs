//! The order of what moves bytes, and the first of it; who was silent for longest.

use std::cmp::Ordering;

/// The busiest first, then what has moved most. Of each: bytes per second, and bytes.
pub fn busiest((rate, bytes): (f64, u64), (other_rate, other_bytes): (f64, u64)) -> Ordering {
    other_rate.total_cmp(&rate).then(other_bytes.cmp(&bytes))
}

/// The first `limit` (0: all) in this order; the others are added to `left_out`.
pub fn heaviest<T>(mut all: Vec<T>, limit: usize, left_out: &mut u64, order: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    if limit > 0 && all.len() > limit {
        all.select_nth_unstable_by(limit, &order);
        *left_out += (all.len() - limit) as u64;
        all.truncate(limit);
    }
    all.sort_unstable_by(order);
    all
}

/// Tells of one after the other, by when each was heard of last, whether it is among the `count` that were silent for longest.
pub fn silent_longest(mut all: Vec<u64>, count: usize) -> impl FnMut(u64) -> bool {
    let mut left = count.min(all.len());
    let limit = left.checked_sub(1).map(|last| *all.select_nth_unstable(last).1).unwrap_or_default();
    move |last_ns| {
        let goes = last_ns <= limit && left > 0;
        left -= usize::from(goes);
        goes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_go_that_were_silent_for_longest() {
        for (name, all, count, expected) in [
            ("two of four", vec![40, 10, 30, 20], 2, vec![10, 20]),
            ("of equals the first", vec![7, 7, 7], 2, vec![7, 7]),
            ("none", vec![1, 2], 0, vec![]),
            ("all", vec![1, 2], 5, vec![1, 2]),
        ] {
            let mut goes = silent_longest(all.clone(), count);
            let mut gone: Vec<u64> = all.iter().copied().filter(|last| goes(*last)).collect();
            gone.sort_unstable();
            assert_eq!(gone, expected, "{name}");
        }
    }

    #[test]
    fn the_busiest_come_first_and_the_others_are_counted() {
        let mut left_out = 3;
        let order = |one: &(f64, u64), other: &(f64, u64)| busiest(*one, *other);
        let listed = heaviest(vec![(0.0, 9), (2.0, 1), (0.0, 7), (2.0, 5)], 3, &mut left_out, order);
        assert_eq!((listed, left_out), (vec![(2.0, 5), (2.0, 1), (0.0, 9)], 4));
    }
}
