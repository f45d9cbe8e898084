//! States of flows, as the kernel numbers and names those of each protocol, and which setting says for how long a flow in one of them
//! is kept.

/// TCP (linux/netfilter/nf_conntrack_tcp.h).
const TCP: &[(&str, &str)] = &[
    ("NONE", ""),
    ("SYN_SENT", "tcp_timeout_syn_sent"),
    ("SYN_RECV", "tcp_timeout_syn_recv"),
    ("ESTABLISHED", "tcp_timeout_established"),
    ("FIN_WAIT", "tcp_timeout_fin_wait"),
    ("CLOSE_WAIT", "tcp_timeout_close_wait"),
    ("LAST_ACK", "tcp_timeout_last_ack"),
    ("TIME_WAIT", "tcp_timeout_time_wait"),
    ("CLOSE", "tcp_timeout_close"),
    ("SYN_SENT2", "tcp_timeout_syn_sent"),
];
/// SCTP (linux/netfilter/nf_conntrack_sctp.h).
const SCTP: &[(&str, &str)] = &[
    ("NONE", ""),
    ("CLOSED", "sctp_timeout_closed"),
    ("COOKIE_WAIT", "sctp_timeout_cookie_wait"),
    ("COOKIE_ECHOED", "sctp_timeout_cookie_echoed"),
    ("ESTABLISHED", "sctp_timeout_established"),
    ("SHUTDOWN_SENT", "sctp_timeout_shutdown_sent"),
    ("SHUTDOWN_RECD", "sctp_timeout_shutdown_recd"),
    ("SHUTDOWN_ACK_SENT", "sctp_timeout_shutdown_ack_sent"),
    ("HEARTBEAT_SENT", "sctp_timeout_heartbeat_sent"),
];
/// Protocols without states: the setting for flows that are new, and for those that have gone on for a while.
const OTHERS: &[(i32, [&str; 2])] = &[
    (libc::IPPROTO_UDP, ["udp_timeout", "udp_timeout_stream"]),
    (libc::IPPROTO_UDPLITE, ["udp_timeout", "udp_timeout_stream"]),
    (libc::IPPROTO_GRE, ["gre_timeout", "gre_timeout_stream"]),
    (libc::IPPROTO_ICMP, ["icmp_timeout"; 2]),
    (libc::IPPROTO_ICMPV6, ["icmpv6_timeout"; 2]),
];
const ANY_OTHER: &str = "generic_timeout";

fn of(protocol: u8) -> &'static [(&'static str, &'static str)] {
    match i32::from(protocol) {
        libc::IPPROTO_TCP => TCP,
        libc::IPPROTO_SCTP => SCTP,
        _ => &[],
    }
}

/// The name of a state of this protocol, as the kernel writes it; `None`: it has no such state.
pub fn name(protocol: u8, state: u8) -> Option<&'static str> {
    of(protocol).get(usize::from(state)).map(|(name, _)| *name)
}

/// The number of the state that is called so.
pub fn number(protocol: u8, name: &str) -> Option<u8> {
    let at = of(protocol).iter().position(|(one, _)| *one == name)?;
    u8::try_from(at).ok()
}

/// The setting, without `nf_conntrack_`, that says for how long such a flow is kept.
pub fn timeout(protocol: u8, state: Option<u8>, assured: bool) -> &'static str {
    if let Some((_, timeout)) = state.and_then(|state| of(protocol).get(usize::from(state))) {
        return timeout;
    }
    let other = OTHERS.iter().find(|(number, _)| *number == i32::from(protocol));
    other.map_or(ANY_OTHER, |(_, settings)| settings[usize::from(assured)])
}

/// All of these settings, some more than once.
pub fn timeouts() -> impl Iterator<Item = &'static str> {
    let with_states = TCP.iter().chain(SCTP).map(|(_, timeout)| *timeout).filter(|timeout| !timeout.is_empty());
    with_states.chain(OTHERS.iter().flat_map(|(_, settings)| *settings)).chain([ANY_OTHER])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_a_name_a_number_and_a_timeout() {
        for (protocol, state, assured, expected) in [
            (6, Some(3), true, (Some("ESTABLISHED"), "tcp_timeout_established")),
            (6, Some(9), false, (Some("SYN_SENT2"), "tcp_timeout_syn_sent")),
            (132, Some(4), true, (Some("ESTABLISHED"), "sctp_timeout_established")),
            (17, None, false, (None, "udp_timeout")),
            (17, None, true, (None, "udp_timeout_stream")),
            (1, None, false, (None, "icmp_timeout")),
            (58, None, true, (None, "icmpv6_timeout")),
            (99, None, false, (None, "generic_timeout")),
            (6, Some(200), false, (None, "generic_timeout")),
        ] {
            let found = state.and_then(|state| name(protocol, state));
            assert_eq!((found, timeout(protocol, state, assured)), expected, "{protocol} {state:?}");
            assert_eq!(found.and_then(|name| number(protocol, name)), state.filter(|_| found.is_some()));
        }
    }
}
