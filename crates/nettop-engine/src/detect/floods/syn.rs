//! TCP handshakes that are begun in great number and not completed.
//!
//! Of a genuine connection more segments come than its SYN: at least the one that completes the handshake, and one that ends it.
//! That is asked of each source, so that neither a busy port hides an attacked one, nor ACKs that the attacker adds. Where this host
//! accepts the connections it says so itself.

use nettop_common::TrafficClass;

use super::{Flood, Judged, Look, MANY, MOST, Which, nothing, percent};
use crate::detect::rule::{Finds, Rule};

pub const RULE: Rule = Rule {
    kind: "syn-flood",
    title: "SYN flood",
    about: "TCP SYNs per second to a target that lead to no connection",
    threshold: Some(("unfinished SYNs per second", 1000)),
    evidence: "SYNs without later segments of the same source; accepted and half-open connections, SYN cookies and listen drops of this host; \
               the socket at the port",
    advice: "sysctl net.ipv4.tcp_syncookies=1; if the addresses are genuine, block them",
    finds: Finds::Flood(Flood { class: TrafficClass::Syn, part: None, excused: false, judge, of: nothing }),
};

/// Who alone sends so much of it, to no single port, scans.
const ONE_SOURCE: f64 = 0.5;

/// So many hosts, of which each gets a SYN or two in a second, are looked for.
const HOSTS: u64 = 20;
const EACH_HOST: f64 = 3.0;

/// Those that lead to nothing.
const UNFINISHED: Which = Which::Of(|manner| manner.unfinished != Some(false));

fn judge(look: &Look) -> Judged {
    let Look { pps, mix, .. } = *look;
    let is_scan_of_hosts = mix.hosts >= HOSTS && pps <= mix.hosts as f64 * EACH_HOST;
    if mix.busiest(1) > ONE_SOURCE && (mix.port(MOST).is_none() || is_scan_of_hosts) && mix.events > 0 {
        return Judged::ordinary(0.0);
    }
    let mut rest = pps;
    if let Some(host) = look.host {
        let share = look.share_of_host(TrafficClass::Syn);
        let accepted = host.accepted * share;
        rest = (pps - accepted).max(0.0);
        let refused = (host.cookies + host.listen_drops + host.resets) * share;
        // A busy host has resets and cookies of its own.
        if accepted < pps * MOST && refused >= rest * MANY {
            let accepted = percent(accepted / pps);
            let word =
                format!("this host accepts {accepted} of it, and answers the rest with cookies or resets, or drops it");
            return Judged::certain(rest, [word]).only(UNFINISHED);
        }
        if rest < look.floor {
            return Judged::ordinary(rest);
        }
    }
    match mix.unfinished {
        Some(unfinished) => {
            let word = format!("{} of the SYNs are of sources that complete no handshake", percent(unfinished));
            Judged::attack(rest.min(pps * unfinished), [word]).only(UNFINISHED)
        }
        // Without samples there is only their number.
        None if mix.events == 0 => {
            let others = look.gets(TrafficClass::Ack) + look.gets(TrafficClass::Data);
            Judged::attack(
                rest.min(pps - others / 2.0).max(0.0),
                ["far more SYNs than segments of connections".to_string()],
            )
        }
        None => Judged::ordinary(pps),
    }
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::*;

    #[test]
    fn what_is_one_and_what_is_not() {
        let web = [
            tcp(443, SYN, 4000).sources(999).from([10, 2, 0, 0]),
            tcp(443, ACK, 12_000).sources(999).from([10, 2, 0, 0]),
        ];
        table(vec![
            (
                "from a few",
                vec![tcp(443, SYN, 3000).sources(3)],
                &[
                    "SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; mostly from 10.0.0.0 (about 1.00k pps) and 10.0.0.1 (about 1.00k pps)…",
                ],
            ),
            (
                "from many",
                vec![tcp(443, SYN, 3000).sources(300)],
                &["SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 300 sources…"],
            ),
            (
                "forged",
                vec![tcp(443, SYN, 6000).sources(6000)],
                &["SYN flood on 192.0.2.1:443: 6.00k pps, 2.88 Mbit/s; more than 6,000 sources, forged most likely…"],
            ),
            (
                "just above the threshold",
                vec![tcp(443, SYN, 1010).sources(100)],
                &["SYN flood on 192.0.2.1:443: 1.01k pps, 485 kbit/s; about 100 sources…"],
            ),
            ("just below it", vec![tcp(443, SYN, 990).sources(100)], &[]),
            (
                "IPv6",
                vec![tcp(443, SYN, 3000).sources(300).v6()],
                &["SYN flood on [2001:db8::c000:201]:443: 3.00k pps, 1.44 Mbit/s; about 300 sources…"],
            ),
            (
                "with as many ACKs",
                vec![tcp(443, SYN, 3000).sources(300), tcp(443, ACK, 3100).sources(300)],
                &["SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 300 sources…"],
            ),
            (
                "on three ports",
                vec![tcp(80, SYN, 3000).sources(300).ports(3)],
                &["SYN flood on 192.0.2.1: 3.00k pps, 1.44 Mbit/s; about 300 sources…"],
            ),
            (
                "on every port",
                vec![tcp(1, SYN, 3000).sources(1000).ports(3000)],
                &["SYN flood on 192.0.2.1: 3.00k pps, 1.44 Mbit/s; about 1,000 sources…"],
            ),
            (
                "amid connections",
                vec![tcp(443, SYN, 6000).sources(300), web[0], web[1]],
                &["SYN flood on 192.0.2.1:443: 6.00k pps, 2.88 Mbit/s; about 300 sources…"],
            ),
            (
                "beside a busy port",
                vec![tcp(25, SYN, 2000).sources(21), web[0], web[1]],
                &["SYN flood on 192.0.2.1:25: 2.00k pps, 960 kbit/s; about 21 sources…"],
            ),
            ("connections", web.to_vec(), &[]),
            ("health checks of one", vec![tcp(80, SYN, 3000), tcp(80, ACK, 6000)], &[]),
            ("answers", vec![tcp(40_000, SYN | ACK, 3000).sources(300)], &[]),
        ]);
    }

    #[test]
    fn one_that_tries_ports_scans() {
        let said = said(&[tcp(1, SYN, 3000).ports(3000)]);
        assert!(said.len() == 1 && said[0].starts_with("10.0.0.0 scans ports of 192.0.2.1: about"), "{said:?}");
    }

    #[test]
    fn the_host_knows_what_became_of_them() {
        let flood = tcp(443, SYN, 3000).sources(300);
        let elsewhere = tcp(443, SYN, 3000).sources(300).from([10, 3, 0, 0]).to([192, 0, 2, 9]);
        let busy = tcp(443, SYN, 6000).sources(600).from([10, 2, 0, 0]);
        table_of_hosts(vec![
            ("all accepted", &[("TcpPassiveOpens", 3000.0)], vec![flood], &[]),
            ("most of it accepted", &[("TcpPassiveOpens", 2100.0)], vec![flood], &[]),
            (
                "half of it accepted",
                &[("TcpPassiveOpens", 1600.0)],
                vec![flood],
                &[
                    "warn: SYN flood on 192.0.2.1:443: 1.40k pps, 672 kbit/s; about 300 sources… (100 % of the SYNs are of sources that complete no handshake; this host shows no harm)",
                ],
            ),
            (
                "a flood at a busy host",
                &[("TcpPassiveOpens", 6000.0)],
                vec![flood, busy, busy.flags(ACK), busy.flags(ACK)],
                &[
                    "warn: SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 286 sources… (33 % of the SYNs are of sources that complete no handshake; this host shows no harm)",
                ],
            ),
            (
                "where all else is accepted",
                &[("TcpPassiveOpens", 9000.0)],
                vec![flood, busy, busy.flags(ACK), busy.flags(ACK)],
                &[],
            ),
            (
                "not quite half",
                &[("TcpPassiveOpens", 1400.0), ("TcpExtSyncookiesSent", 1600.0)],
                vec![flood],
                &[
                    "warn: SYN flood on 192.0.2.1:443: 1.60k pps, 768 kbit/s; about 300 sources… (this host accepts 47 % of it, and answers the rest with cookies or resets, or drops it; this host shows no harm)",
                ],
            ),
            (
                "cookies",
                &[("TcpPassiveOpens", 100.0), ("TcpExtSyncookiesSent", 2900.0)],
                vec![flood],
                &[
                    "warn: SYN flood on 192.0.2.1:443: 2.90k pps, 1.39 Mbit/s; about 300 sources… (this host accepts 3 % of it, and answers the rest with cookies or resets, or drops it; this host shows no harm)",
                ],
            ),
            (
                "no room",
                &[("TcpPassiveOpens", 100.0), ("TcpExtListenDrops", 2900.0)],
                vec![flood],
                &[
                    "critical: SYN flood on 192.0.2.1:443: 2.90k pps, 1.39 Mbit/s; about 300 sources… (this host accepts 3 % of it, and answers the rest with cookies or resets, or drops it; 2.90k connections/s find no room at listening sockets)",
                ],
            ),
            (
                "a closed port",
                &[("TcpOutRsts", 3000.0)],
                vec![flood],
                &[
                    "warn: SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 300 sources… (this host accepts 0 % of it, and answers the rest with cookies or resets, or drops it; this host shows no harm)",
                ],
            ),
            (
                "nothing of it",
                &[],
                vec![flood],
                &[
                    "warn: SYN flood on 192.0.2.1:443: 3.00k pps, 1.44 Mbit/s; about 300 sources… (100 % of the SYNs are of sources that complete no handshake; this host shows no harm)",
                ],
            ),
            (
                "two targets: whose the connections are is not known",
                &[("TcpPassiveOpens", 3000.0)],
                vec![flood, elsewhere],
                &[
                    "warn: SYN flood on 192.0.2.9:443: 1.50k pps, 720 kbit/s; about 300 sources… (100 % of the SYNs are of sources that complete no handshake; this host shows no harm)",
                    "warn: SYN flood on 192.0.2.1:443: 1.50k pps, 720 kbit/s; about 300 sources… (100 % of the SYNs are of sources that complete no handshake; this host shows no harm)",
                ],
            ),
        ]);
    }

    #[test]
    fn without_samples_it_is_found_all_the_same() {
        let mut play = play(&[], 0, &[]);
        play.sampling = 0;
        play.second(&[tcp(443, SYN, 3000).sources(300), tcp(22, ACK, 50)]);
        assert_eq!(play.told(), ["SYN flood on 192.0.2.1: 2.98k pps, 1.43 Mbit/s…"]);
    }
}
