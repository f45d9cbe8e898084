use nettop_common::blocks::BlockKey;

use super::*;

const SECOND: u64 = 1_000_000_000;

/// Notes until when something is to be dropped.
#[derive(Default)]
struct Noted(Vec<u64>);

impl Blocker for Noted {
    fn room(&self) -> usize {
        8
    }

    fn block(&mut self, _: BlockKey, until_ns: u64) -> anyhow::Result<u32> {
        self.0.push(until_ns);
        Ok(1)
    }

    fn unblock(&mut self, _: &BlockKey) -> anyhow::Result<()> {
        Ok(())
    }
}

fn row(text: &str) -> BlockRow {
    BlockRow { since_ns: 1_000 * SECOND, ..BlockRow::new(text.parse().unwrap(), With::Xdp) }
}

#[test]
fn a_clock_that_is_set_neither_ends_nor_prolongs_a_block() {
    for unix_ns in [0, 1_000 * SECOND, 4_000_000_000 * SECOND] {
        let (mut book, mut blocker) = (Book::default(), Noted::default());
        let began = Moment { monotonic_ns: 50 * SECOND, unix_ns: 1_000 * SECOND };
        book.put(&mut blocker, row("192.0.2.1"), began, 10 * SECOND).unwrap();
        assert_eq!(blocker.0, [60 * SECOND]);
        let at = |seconds: u64| Moment { monotonic_ns: seconds * SECOND, unix_ns };
        assert!(book.over(at(59)).is_empty(), "the clock shows {unix_ns}");
        assert_eq!(book.over(at(60)), ["192.0.2.1".parse().unwrap()], "the clock shows {unix_ns}");
    }
}

#[test]
fn what_has_an_address_in_common_overlaps() {
    let (mut book, mut blocker) = (Book::default(), Noted::default());
    let now = Moment { monotonic_ns: 0, unix_ns: 0 };
    for net in ["192.0.2.0/24", "198.51.100.7", "2001:db8::/32"] {
        book.put(&mut blocker, row(net), now, SECOND).unwrap();
    }
    for (net, expected) in [
        ("192.0.2.1", true),
        ("192.0.2.0", true),
        ("192.0.2.0/23", true),
        ("192.0.0.0/16", true),
        ("192.0.2.128/25", true),
        ("192.0.3.0", false),
        ("198.51.100.7", true),
        ("198.51.100.0/29", true),
        ("198.51.100.8/29", false),
        ("0.0.0.0/0", true),
        ("2001:db8:1::1", true),
        ("2001:db9::", false),
        ("::/0", true),
        ("203.0.113.0/24", false),
    ] {
        assert_eq!(book.overlaps(&net.parse().unwrap()), expected, "{net}");
    }
}

#[test]
fn what_came_before_the_end_is_told_with_it() {
    let (mut book, mut blocker) = (Book::default(), Noted::default());
    book.put(&mut blocker, row("192.0.2.1"), Moment { monotonic_ns: 0, unix_ns: 0 }, SECOND).unwrap();
    assert!(book.enter(&[(1, 5)]).is_empty());
    book.end(&mut blocker, &"192.0.2.1".parse().unwrap(), "somebody", None).unwrap();
    let ended = book.enter(&[(1, 2)]);
    assert_eq!(ended.iter().map(|one| (one.packets, &*one.by)).collect::<Vec<_>>(), [(Some(7), "somebody")]);
    assert!(book.enter(&[]).is_empty());
    assert!((book.ended, book.dropped) == (7, 7) && book.holds(7));
}
