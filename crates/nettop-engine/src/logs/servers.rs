//! Which ports are logged: those of programs of which every visitor leaves a line behind.

use nettop_collect::logs::FileFacts;

/// Which log a program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Writes {
    /// Of requests.
    Access,
    /// Of logins.
    Auth,
}

/// Programs, as processes are called. Not dovecot and postfix: most of what these write is not read.
const PROGRAMS: &[(&str, Writes)] = &[
    ("nginx", Writes::Access),
    ("apache2", Writes::Access),
    ("httpd", Writes::Access),
    ("lighttpd", Writes::Access),
    ("caddy", Writes::Access),
    ("traefik", Writes::Access),
    ("haproxy", Writes::Access),
    ("sshd", Writes::Auth),
];
/// Those that take connections for others.
const FOR_OTHERS: [&str; 2] = ["systemd", "docker-proxy"];
/// Where they usually are.
pub const USUAL: &[(u16, Writes)] = &[(22, Writes::Auth), (80, Writes::Access), (443, Writes::Access)];

/// Which log has the visitors of a port; `program` is what takes its connections, as far as that is known. `None`: none has.
pub fn writes(port: u16, program: Option<&str>) -> Option<Writes> {
    match program {
        Some(name) if !FOR_OTHERS.contains(&name) => of(PROGRAMS, &name),
        _ => of(USUAL, &port),
    }
}

fn of<K: PartialEq>(table: &[(K, Writes)], key: &K) -> Option<Writes> {
    table.iter().find(|(one, _)| one == key).map(|(_, writes)| *writes)
}

/// Whether a log of this kind is followed and was understood so far.
pub fn is_followed(files: &[FileFacts], writes: Writes) -> bool {
    let is_auth = |file: &&FileFacts| (file.format == "auth") == (writes == Writes::Auth);
    files.iter().filter(is_auth).any(|file| file.lines.attributed > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_logged_by_whoever_takes_its_connections() {
        for (port, program, expected) in [
            (443, Some("nginx"), Some(Writes::Access)),
            (8443, Some("caddy"), Some(Writes::Access)),
            (443, Some("openvpn"), None),
            (2222, Some("sshd"), Some(Writes::Auth)),
            (22, Some("systemd"), Some(Writes::Auth)),
            (80, Some("docker-proxy"), Some(Writes::Access)),
            (8080, Some("docker-proxy"), None),
            (80, None, Some(Writes::Access)),
            (5432, None, None),
            (25, Some("master"), None),
        ] {
            assert_eq!(writes(port, program), expected, "{port} {program:?}");
        }
    }
}
