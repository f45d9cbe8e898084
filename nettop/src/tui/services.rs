//! Names of well-known ports, from IANA's "Service Name and Transport Protocol Port Number Registry" and common use.
//! A fixed table: the same port has the same name on every host, and drawing never reads a file.

/// Ports in order, with names short enough for a column.
const SERVICES: &[(u16, &str)] = &[
    (20, "ftp-data"),
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (53, "dns"),
    (67, "dhcp"),
    (68, "dhcp"),
    (69, "tftp"),
    (80, "http"),
    (88, "kerberos"),
    (110, "pop3"),
    (111, "rpcbind"),
    (123, "ntp"),
    (137, "netbios"),
    (138, "netbios"),
    (139, "netbios"),
    (143, "imap"),
    (161, "snmp"),
    (179, "bgp"),
    (389, "ldap"),
    (443, "https"),
    (445, "smb"),
    (465, "smtps"),
    (500, "ipsec"),
    (514, "syslog"),
    (587, "smtp"),
    (631, "ipp"),
    (636, "ldaps"),
    (853, "dot"),
    (873, "rsync"),
    (993, "imaps"),
    (995, "pop3s"),
    (1194, "openvpn"),
    (1433, "mssql"),
    (1723, "pptp"),
    (1883, "mqtt"),
    (1900, "ssdp"),
    (2049, "nfs"),
    (2379, "etcd"),
    (3306, "mysql"),
    (3389, "rdp"),
    (4500, "ipsec"),
    (5060, "sip"),
    (5353, "mdns"),
    (5432, "postgres"),
    (5672, "amqp"),
    (5900, "vnc"),
    (6379, "redis"),
    (6443, "k8s-api"),
    (8080, "http-alt"),
    (8443, "https-alt"),
    (9090, "metrics"),
    (9092, "kafka"),
    (9200, "elastic"),
    (11211, "memcached"),
    (27017, "mongodb"),
    (51820, "wireguard"),
];

/// The name of a port's usual service.
pub fn name(port: u16) -> Option<&'static str> {
    SERVICES.binary_search_by_key(&port, |(port, _)| *port).ok().map(|at| SERVICES[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_fits_its_column() {
        assert!(SERVICES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(SERVICES.iter().all(|(_, name)| name.len() <= 9));
        assert_eq!([name(443), name(444)], [Some("https"), None]);
    }
}
