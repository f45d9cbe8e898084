//! Names of well-known ports, from IANA's "Service Name and Transport Protocol Port Number Registry" and common use.
//!
//! A fixed table, no file of the host: the same port has the same name everywhere, and drawing never reads a file. Ports of
//! TCP and UDP are counted together, so a port has one name: where the two differ, that of the busier service.

use std::sync::LazyLock;

/// Ports in order, each before its name, which is short enough for a column.
const SERVICES: &str = "
    7 echo  9 discard  13 daytime  17 qotd  19 chargen  20 ftp-data  21 ftp  22 ssh  23 telnet  25 smtp  37 time
    43 whois  49 tacacs  53 dns  67 dhcp  68 dhcp  69 tftp  70 gopher  79 finger  80 http  88 kerberos  102 iso-tsap
    110 pop3  111 rpcbind  113 ident  119 nntp  123 ntp  135 msrpc  137 netbios  138 netbios  139 netbios  143 imap
    161 snmp  162 snmp-trap  177 xdmcp  179 bgp  194 irc  319 ptp  320 ptp  389 ldap  427 slp  443 https  445 smb
    464 kpasswd  465 smtps  500 ipsec  502 modbus  512 rexec  513 rlogin  514 syslog  515 lpd  520 rip  521 ripng
    540 uucp  543 klogin  544 kshell  546 dhcpv6  547 dhcpv6  548 afp  554 rtsp  563 nntps  587 smtp
    593 msrpc  601 syslog  623 ipmi  631 ipp  636 ldaps  639 msdp  646 ldp  655 tinc  749 kadmin  802 modbus-s
    830 netconf  853 dot  860 iscsi  873 rsync  902 vmware  989 ftps-data  990 ftps  992 telnets  993 imaps
    995 pop3s  1080 socks  1099 rmi  1194 openvpn  1352 notes  1433 mssql  1434 mssql  1521 oracle  1645 radius
    1646 radius  1701 l2tp  1719 h323  1720 h323  1723 pptp  1812 radius  1813 radius  1883 mqtt  1900 ssdp
    1935 rtmp  1985 hsrp  2000 sccp  2049 nfs  2055 netflow  2082 cpanel  2083 cpanel  2086 whm  2087 whm
    2123 gtp-c  2152 gtp-u  2181 zookeeper  2375 docker  2376 docker-s  2377 swarm  2379 etcd  2380 etcd
    2404 iec104  2483 oracle  2484 oracle-s  2601 zebra  2947 gpsd  3050 firebird  3128 squid  3260 iscsi
    3268 ldap-gc  3269 ldap-gc  3283 ard  3306 mysql  3310 clamav  3389 rdp  3478 stun  3493 nut  3632 distcc
    3690 svn  3702 wsd  4190 sieve  4369 epmd  4460 ntske  4500 ipsec  4569 iax  4646 nomad
    4739 ipfix  4789 vxlan  4840 opc-ua  5000 upnp  5004 rtp  5005 rtcp  5038 asterisk  5044 logstash  5060 sip
    5061 sips  5201 iperf  5222 xmpp  5228 gcm  5246 capwap  5247 capwap  5269 xmpp-s2s  5349 stuns  5351 nat-pmp
    5353 mdns  5355 llmnr  5432 postgres  5555 adb  5601 kibana  5666 nrpe  5671 amqps  5672 amqp  5683 coap
    5684 coaps  5900 vnc  5901 vnc  5984 couchdb  5985 winrm  5986 winrm-s  6000 x11  6081 geneve
    6343 sflow  6379 redis  6432 pgbouncer  6443 k8s-api  6514 syslog-s  6653 openflow  6660 irc  6667 irc
    6697 ircs  6881 torrent  7000 cassandra  7001 weblogic  7474 neo4j  7547 tr-069  7687 neo4j  7946 swarm
    8000 http-alt  8008 http-alt  8080 http-alt  8081 http-alt  8086 influxdb  8088 http-alt  8125 statsd
    8140 puppet  8200 vault  8291 winbox  8300 consul  8333 bitcoin  8443 https-alt  8472 vxlan
    8500 consul  8530 wsus  8600 consul  8728 routeros  8883 mqtts  9000 http-alt  9001 tor  9042 cassandra
    9050 tor  9090 metrics  9092 kafka  9100 jetdirect  9200 elastic  9300 elastic  9418 git  9443 https-alt
    9993 zerotier  10000 webmin  10050 zabbix  10051 zabbix  10250 kubelet  10255 kubelet  11211 memcached
    11371 hkp  15672 rabbitmq  16992 amt  16993 amt-s  19132 minecraft  20000 dnp3  25565 minecraft  25826 collectd
    26257 cockroach  27015 steam  27017 mongodb  32400 plex  33060 mysqlx  41641 tailscale
    44818 enip  47808 bacnet  50000 db2  51413 torrent  51820 wireguard  61613 stomp  61616 activemq  64738 mumble
";

/// The name of a port's usual service.
pub fn name(port: u16) -> Option<&'static str> {
    let at = TABLE.binary_search_by_key(&port, |(known, _)| *known).ok()?;
    Some(TABLE[at].1)
}

/// The number of a port and, unless only numbers are wanted, the name of its usual service.
pub fn labelled(port: u16, numeric: bool) -> String {
    match name(port).filter(|_| !numeric) {
        Some(name) => format!("{port} {name}"),
        None => port.to_string(),
    }
}

/// [`SERVICES`] taken apart, once: names are looked up many times for every picture.
static TABLE: LazyLock<Vec<(u16, &'static str)>> = LazyLock::new(|| {
    let mut words = SERVICES.split_whitespace();
    std::iter::from_fn(|| Some((words.next()?.parse().ok()?, words.next()?))).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_fits_its_column() {
        let unordered = TABLE.windows(2).find(|pair| pair[0].0 >= pair[1].0);
        assert_eq!(unordered, None);
        assert_eq!(TABLE.iter().find(|(port, name)| format!("{port} {name}").len() > 15), None);
        // The last one is reached: nothing before it is no number.
        assert_eq!(TABLE.len(), SERVICES.split_whitespace().count() / 2);
        assert_eq!([443, 64738, 442].map(name), [Some("https"), Some("mumble"), None]);
    }
}
