//! Sorting of lists that are short, or seldom sorted, by code that exists once: the library's own is made anew for every type
//! and every key, 2 to 10 kB each time.

use std::cmp::Ordering;

/// Sorts; equal elements stay in their order.
pub fn sort_by<T>(list: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let mut from = order(list.len(), &|one, other| compare(&list[one], &list[other]));
    // Each element goes to its place by way of those that are in it: around one circle after another.
    for first in 0..list.len() {
        let mut at = first;
        while from[at] != first {
            let next = from[at];
            list.swap(at, next);
            from[at] = at;
            at = next;
        }
        from[at] = at;
    }
}

/// Sorts by what `key` makes of an element, at each comparison anew; equal elements stay in their order.
pub fn sort_by_key<T, K: Ord>(list: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(list, |one, other| key(one).cmp(&key(other)));
}

/// For each place the number of the element that belongs there.
fn order(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<_> = (0..length).collect();
    order.sort_unstable_by(|one, other| compare(*one, *other).then(one.cmp(other)));
    order
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;

    #[test]
    fn elements_are_where_the_library_puts_them() {
        let mut state = 1_u32;
        for length in 0..200 {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 16
            };
            let list: Vec<_> = (0..length).map(|at| ((next() % 20), at.to_string())).collect();
            let (mut ours, mut theirs) = (list.clone(), list);
            sort_by_key(&mut ours, |(key, _)| Reverse(*key));
            theirs.sort_by_key(|(key, _)| Reverse(*key));
            assert_eq!(ours, theirs);
        }
    }
}
