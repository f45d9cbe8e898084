//! What proves that somebody does not forge an address, and so may be blocked by a rule: a connection, or a line of a log and its packets.

use std::net::IpAddr;

use nettop_model::{net::Net, snapshot::Seen};

use super::audit::Denied;
use crate::{Engine, detect, logs::Named};

impl Engine {
    /// What shows that packets of an address are no forgeries. What lines tell of it is proved by these alone: whoever comes through a proxy
    /// may well have a connection of its own, too, and is not kept out by blocking that.
    ///
    /// # Errors
    /// Nothing shows it, and why not.
    pub(super) fn proof(&self, kind: &str, ip: IpAddr) -> Result<String, Denied> {
        let of_line = || judge(self.logs.named(&ip, self.reading.at), self.seen(&Net::from(ip)));
        match self.sockets.handshake(ip).filter(|_| !detect::is_of_lines(kind)) {
            Some(connection) => Ok(connection),
            None => of_line(),
        }
    }
}

/// What a line of a log proves of the address that it names.
fn judge(named: Named, seen: Seen) -> Result<String, Denied> {
    let refused = |guard: &'static str, told: String| Err(Denied { guard: Some(guard), told });
    match (named, seen) {
        (Named::Nowhere, _) => Err("no handshake with it is known, so its address may be forged".into()),
        (Named::Behind(proxy), _) => refused(
            "trusted-proxy",
            format!("its requests came through {proxy}, a trusted proxy: it has to be blocked there"),
        ),
        (Named::Itself, Seen::Yes) => Ok("a log names it, and its packets come here (seen = yes)".into()),
        (Named::Itself, Seen::No) => refused(
            "seen",
            "seen = no: a log names it, and no packet of it came here in the last ten minutes: the line is forged, or of \
             somebody behind another address"
                .into(),
        ),
        (Named::Itself, Seen::Unknown) => refused(
            "seen",
            "seen = unknown: a log names it, and it is not known whether its packets come here".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_proves_something_where_packets_come_too_and_no_proxy_is_between() {
        let proxy = "10.0.0.9".parse().unwrap();
        for (named, seen, guard, part) in [
            (Named::Itself, Seen::Yes, None, ""),
            (Named::Itself, Seen::No, Some("seen"), "seen = no"),
            (Named::Itself, Seen::Unknown, Some("seen"), "seen = unknown"),
            (Named::Behind(proxy), Seen::Yes, Some("trusted-proxy"), "10.0.0.9"),
            (Named::Behind(proxy), Seen::No, Some("trusted-proxy"), "10.0.0.9"),
            (Named::Nowhere, Seen::Yes, None, "no handshake"),
            (Named::Nowhere, Seen::Unknown, None, "no handshake"),
        ] {
            let told = judge(named, seen);
            let (found, error) = told.err().map_or((None, String::new()), |denied| (denied.guard, denied.told));
            assert!(
                found == guard && error.contains(part) && error.is_empty() == part.is_empty(),
                "{named:?} {seen:?}"
            );
        }
    }
}
