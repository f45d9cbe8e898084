//! Which of the kernel's own counters are read. One row each.

/// A counter of the kernel, cumulative since the host was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name, as nstat(8) has it.
    pub name: &'static str,
    /// What it counts.
    pub counts: &'static str,
    /// Where it counts packets or connections that the host itself lost: what to do about it.
    pub loss: Option<&'static str>,
}

/// A row that is not about losses.
const fn event(name: &'static str, counts: &'static str) -> Counter {
    Counter { name, counts, loss: None }
}

/// A row that counts what was lost, and the remedy.
const fn loss(name: &'static str, counts: &'static str, remedy: &'static str) -> Counter {
    Counter { name, counts, loss: Some(remedy) }
}

const BACKLOG: &str = "the application accepts too slowly: a longer backlog in listen(2), sysctl net.core.somaxconn, net.ipv4.tcp_syncookies=1";
const RCVBUF: &str = "the application reads too slowly: a larger SO_RCVBUF, up to sysctl net.core.rmem_max";
const MEMORY: &str = "sysctl net.ipv4.tcp_mem, or fewer connections";

/// All of them. Names and meanings are those of Linux, Documentation/networking/snmp_counter.rst and net/ipv4/proc.c.
pub const COUNTERS: &[Counter] = &[
    // /proc/net/softnet_stat
    event("SoftnetProcessed", "packets taken from receive queues"),
    loss(
        "SoftnetDropped",
        "packets for which a CPU's receive queue had no room",
        "sysctl net.core.netdev_max_backlog; spread receiving over CPUs (RSS, RPS)",
    ),
    event("SoftnetTimeSqueeze", "rounds that ended with packets left, for they had used their budget or time"),
    loss(
        "SoftnetFlowLimit",
        "packets of a single flow dropped so that others get through",
        "sysctl net.core.flow_limit_table_len; it is meant to drop the largest flow",
    ),
    // /proc/net/snmp and netstat: IP
    event("IpInReceives", "IPv4 packets received"),
    loss("IpInDiscards", "IPv4 packets dropped for want of memory", MEMORY),
    event("IpInHdrErrors", "IPv4 packets with a wrong header"),
    event("IpInAddrErrors", "IPv4 packets for an address that is not this host's"),
    event("IpReasmReqds", "IPv4 fragments"),
    event("IpReasmFails", "IPv4 packets whose fragments did not come, or had no room"),
    event("IpExtInCsumErrors", "IPv4 packets with a wrong checksum"),
    event("Ip6InReceives", "IPv6 packets received"),
    // Mostly the former, so it is no loss (net/ipv6/ip6_input.c).
    event("Ip6InDiscards", "IPv6 packets dropped, since IPv6 is off on their interface, or for want of memory"),
    event("Ip6ReasmFails", "IPv6 packets whose fragments did not come, or had no room"),
    // ICMP
    event("IcmpInMsgs", "ICMP messages received"),
    event("IcmpOutMsgs", "ICMP messages sent"),
    event("Icmp6InMsgs", "ICMPv6 messages received"),
    event("Icmp6OutMsgs", "ICMPv6 messages sent"),
    // TCP
    event("TcpActiveOpens", "connections that this host began"),
    event("TcpPassiveOpens", "connections that this host accepted"),
    event("TcpAttemptFails", "connections that were never established"),
    event("TcpEstabResets", "established connections that were reset"),
    event("TcpCurrEstab", "connections established now"),
    event("TcpInSegs", "segments received"),
    event("TcpOutSegs", "segments sent"),
    event("TcpRetransSegs", "segments sent again"),
    event("TcpInErrs", "segments with an error"),
    event("TcpOutRsts", "resets sent: segments for no connection or listening socket"),
    // Each of these is a ListenDrop as well.
    event("TcpExtListenOverflows", "connections for which a listening socket's accept queue had no room"),
    event("TcpExtTCPReqQFullDrop", "SYNs dropped, for the queue was full and there are no cookies"),
    loss("TcpExtListenDrops", "SYNs and connections dropped at listening sockets", BACKLOG),
    event("TcpExtSyncookiesSent", "SYNs answered with a cookie, for the queue was full"),
    event("TcpExtSyncookiesRecv", "connections made by a cookie"),
    event("TcpExtSyncookiesFailed", "ACKs whose cookie was wrong"),
    event("TcpExtTCPReqQFullDoCookies", "SYNs answered with a cookie, for the queue was full"),
    loss("TcpExtTCPBacklogDrop", "segments for which a busy socket's backlog had no room", RCVBUF),
    loss("TcpExtTCPRcvQDrop", "segments for which a socket's receive queue had no room", RCVBUF),
    event("TcpExtPruneCalled", "times a receive queue was squeezed for want of memory"),
    loss("TcpExtTCPZeroWindowDrop", "segments dropped while the window was closed", RCVBUF),
    event("TcpExtTCPTimeouts", "retransmission timeouts"),
    event("TcpExtTCPLostRetransmit", "segments sent again that were lost once more"),
    // UDP
    event("UdpInDatagrams", "IPv4 datagrams delivered"),
    event("UdpOutDatagrams", "IPv4 datagrams sent"),
    event("UdpNoPorts", "IPv4 datagrams for a port where nobody listens"),
    loss("UdpRcvbufErrors", "IPv4 datagrams for which a socket's buffer had no room", RCVBUF),
    loss("UdpMemErrors", "IPv4 datagrams dropped for want of memory", "sysctl net.ipv4.udp_mem"),
    event("UdpSndbufErrors", "IPv4 datagrams that could not be sent for want of room"),
    event("UdpInCsumErrors", "IPv4 datagrams with a wrong checksum"),
    event("Udp6InDatagrams", "IPv6 datagrams delivered"),
    event("Udp6OutDatagrams", "IPv6 datagrams sent"),
    event("Udp6NoPorts", "IPv6 datagrams for a port where nobody listens"),
    loss("Udp6RcvbufErrors", "IPv6 datagrams for which a socket's buffer had no room", RCVBUF),
    // At the end, for recordings have values in this order.
    event("TcpExtTCPSynRetrans", "SYNs and SYN-ACKs sent again, which are among the segments sent again"),
];

/// Where a counter is in [`COUNTERS`].
pub fn index_of(name: &str) -> Option<usize> {
    COUNTERS.iter().position(|counter| counter.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_is_there_once() {
        for (at, counter) in COUNTERS.iter().enumerate() {
            assert_eq!(index_of(counter.name), Some(at), "{}", counter.name);
        }
    }
}
