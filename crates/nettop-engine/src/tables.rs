//! The cumulative tables at the instant at which counting starts anew.
//!
//! Ports and TCP flags are counted in tables that are read whole, at another instant than totals and sources, for which the kernel
//! program flips to the other bank. In a flood thousands of packets come in between: to which port is not known, but how many is. So
//! the tables are read just before the program flips and just after it, and what they say of the instant itself is laid
//! between: the sum over ports is exactly that of the totals, and no port is wrong by more than came to it in between.

use nettop_collect::reading::Tables;

use super::Engine;

impl Engine {
    /// Reads until now, and returns what the tables said at the instant until which everything is in the aggregates then.
    pub(super) fn tables_at_reading(&mut self) -> Tables {
        self.source.read_tables_anew(&mut self.aggregates.tables);
        let before = self.aggregates.tables.clone();
        self.drain();
        self.source.read_tables_anew(&mut self.aggregates.tables);
        between(&before, self.aggregates.tables.clone(), self.counted, self.counted_tcp)
    }
}

/// What tables said when so many packets had been counted, `tcp` of them of TCP, by what they said before and after.
fn between(before: &Tables, mut after: Tables, counted: u64, tcp: u64) -> Tables {
    // Each table by itself: they were read one after the other, while packets came.
    let ports = lay_between(&before.dst_ports, &mut after.dst_ports, counted);
    lay_between(&before.src_ports, &mut after.src_ports, counted);
    // Only fragments of TCP have no flags. Where it is not counted how much TCP there was, flags follow the ports.
    let flags = sum(&before.tcp_flags);
    let came = sum(&after.tcp_flags).saturating_sub(flags);
    let by_ports = flags + (came as f64 * ports).round() as u64;
    lay_between(&before.tcp_flags, &mut after.tcp_flags, if tcp < flags { by_ports } else { tcp });
    after
}

/// Takes back from what came in between, in proportion, so that what is left adds up to `wanted`. Returns the share that is left.
fn lay_between(before: &[u64], after: &mut [u64], wanted: u64) -> f64 {
    let all = sum(after).saturating_sub(sum(before));
    let part = wanted.saturating_sub(sum(before)).min(all);
    let (mut came, mut left) = (0, 0);
    for (before, after) in before.iter().zip(after) {
        came += after.saturating_sub(*before);
        let left_so_far = (u128::from(came) * u128::from(part) / u128::from(all.max(1))) as u64;
        *after = before + (left_so_far - left);
        left = left_so_far;
    }
    if all > 0 { part as f64 / all as f64 } else { 1.0 }
}

fn sum(table: &[u64]) -> u64 {
    table.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(ports: &[(usize, u64)], flags: &[(usize, u64)]) -> Tables {
        let mut tables = Tables::default();
        for (port, packets) in ports {
            tables.dst_ports[*port] = *packets;
            tables.src_ports[40_000] += packets;
        }
        flags.iter().for_each(|(flags, packets)| tables.tcp_flags[*flags] = *packets);
        tables
    }

    #[test]
    fn ports_add_up_to_what_was_counted_at_that_instant() {
        let before = tables(&[(22, 5), (53, 1_000), (80, 7)], &[(2, 5), (16, 7)]);
        for (name, ports, flags, counted) in [
            ("nothing came", [5, 1_000, 7, 0], [5, 7], 1_012_u64),
            ("all of it came after", [6, 9_000, 7, 3], [6, 10], 1_012),
            ("all of it came before", [6, 9_000, 7, 3], [6, 10], 9_016),
            ("some of it", [6, 9_000, 7, 3], [6, 10], 4_444),
            ("a flood to one port", [5, 9_000, 7, 0], [5, 7], 8_501),
            ("a scan", [6, 1_001, 8, 1], [6, 8], 1_014),
            ("more than can be", [6, 1_001, 8, 1], [6, 8], 1 << 40),
            ("less than can be", [6, 1_001, 8, 1], [6, 8], 0),
        ] {
            let [ssh, dns, http, scanned] = ports;
            let [syn, ack] = flags;
            let after = tables(&[(22, ssh), (53, dns), (80, http), (8_080, scanned)], &[(2, syn), (16, ack)]);
            let tcp = counted.saturating_sub(1_000);
            let base = between(&before, after.clone(), counted, tcp);
            let expected = counted.clamp(1_012, sum(&after.dst_ports));
            assert_eq!((sum(&base.dst_ports), sum(&base.src_ports)), (expected, expected), "{name}");
            assert_eq!(sum(&base.tcp_flags), tcp.clamp(12, sum(&after.tcp_flags)), "{name}");
            for (low, base, high) in [
                (&before.dst_ports, &base.dst_ports, &after.dst_ports),
                (&before.src_ports, &base.src_ports, &after.src_ports),
                (&before.tcp_flags, &base.tcp_flags, &after.tcp_flags),
            ] {
                let within = low.iter().zip(base).zip(high).all(|((low, base), high)| (low..=high).contains(&base));
                assert!(within, "{name}");
            }
        }
    }

    #[test]
    fn tables_that_were_read_at_different_instants_add_up_to_the_same() {
        let (before, mut after) = (tables(&[(80, 100)], &[(2, 100)]), tables(&[(80, 200)], &[(2, 900)]));
        after.src_ports[40_000] = 700;
        let base = between(&before, after, 150, 150);
        assert_eq!((base.dst_ports[80], base.src_ports[40_000], base.tcp_flags[2]), (150, 150, 150));
    }

    #[test]
    fn flags_follow_ports_where_protocols_are_not_counted_and_are_the_last_read_without_ports() {
        let base = between(&tables(&[(80, 10)], &[(2, 4)]), tables(&[(80, 30)], &[(2, 8)]), 20, 0);
        assert_eq!((base.dst_ports[80], base.tcp_flags[2]), (20, 6));
        let base = between(&tables(&[], &[(2, 5)]), tables(&[], &[(2, 9)]), 77, 0);
        assert_eq!(base.tcp_flags[2], 9);
    }
}
