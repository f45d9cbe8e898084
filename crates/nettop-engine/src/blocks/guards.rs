//! Guards: what must not be blocked, each with a name and a reason. A new one is a row of [`GUARDS`].

use std::{collections::BTreeSet, net::IpAddr, sync::LazyLock};

use nettop_collect::lifelines::Lifelines;
use nettop_model::{
    net::Net,
    snapshot::{Place, Seen},
};

/// Networks that carry the traffic of many others: who blocks one of their addresses cuts off all of these. By number of the autonomous
/// system.
const CDN: &[u32] = &[
    12_222,  // Akamai
    12_989,  // StackPath
    13_335,  // Cloudflare
    15_133,  // Edgio
    15_169,  // Google, its crawler included
    16_625,  // Akamai
    19_551,  // Imperva
    20_940,  // Akamai
    22_822,  // Limelight
    30_148,  // Sucuri
    32_787,  // Akamai Prolexic
    54_113,  // Fastly
    60_068,  // CDN77
    199_524, // Gcore
    200_325, // BunnyCDN
    209_242, // Cloudflare
];
/// The widest prefixes, bits.
const WIDEST_V4: u8 = 16;
const WIDEST_V6: u8 = 32;

/// What guards know.
pub struct Scene<'a> {
    /// What this host cannot do without.
    pub lifelines: &'a Lifelines,
    /// Whether it is about an address that tries passwords, and has not got in: to be connected to sshd for as long as a login takes is no reason.
    pub tries_passwords: bool,
    /// From where somebody asks for it over TCP, who may be gone before lifelines are looked for.
    pub asking: Option<IpAddr>,
    /// What somebody has said never to block.
    pub allowed: &'a BTreeSet<Net>,
    /// Proxies whose clients cannot be told apart here.
    pub trusted: &'a [Net],
    /// Where an address is.
    pub place: &'a dyn Fn(IpAddr) -> Option<Place>,
    /// Whether packets came from there lately.
    pub seen: &'a dyn Fn(&Net) -> Seen,
}

/// One of them.
pub struct Guard {
    /// How it is called.
    pub name: &'static str,
    /// Whether who types the address once more may block it all the same.
    pub yields: bool,
    /// Whether it ends a block that is there already.
    pub lasts: bool,
    /// Why it refuses, if it does.
    find: fn(&Scene<'_>, &Net) -> Option<String>,
}

/// All of them. Those that never yield are first, so that nobody types an address again in vain.
pub const GUARDS: &[Guard] = &[
    Guard {
        name: "loopback",
        yields: false,
        lasts: true,
        find: |_, net| overlaps(net, LOOPBACK.iter(), "this host's loopback"),
    },
    Guard {
        name: "own",
        yields: false,
        lasts: true,
        find: |scene, net| holds(net, &scene.lifelines.own, "an address of this host"),
    },
    Guard {
        name: "gateway",
        yields: false,
        lasts: true,
        find: |scene, net| holds(net, &scene.lifelines.gateways, "a gateway of this host"),
    },
    Guard { name: "special", yields: true, lasts: true, find: |_, net| special(net) },
    Guard {
        name: "resolver",
        yields: true,
        lasts: true,
        find: |scene, net| holds(net, &scene.lifelines.resolvers, "a name server that this host asks"),
    },
    Guard {
        name: "ssh",
        yields: true,
        lasts: true,
        find: |scene, net| {
            let Lifelines { ssh, settled, .. } = scene.lifelines;
            holds(net, if scene.tries_passwords { settled } else { ssh }, "where somebody is connected to sshd from")
        },
    },
    Guard {
        name: "control",
        yields: true,
        lasts: true,
        find: |scene, net| {
            let asking = scene.asking.into_iter().map(Net::from).collect::<Vec<_>>();
            overlaps(net, &asking, "where you ask this monitor from")
                .or_else(|| holds(net, &scene.lifelines.control, "where somebody is connected to this monitor from"))
        },
    },
    Guard { name: "allowed", yields: true, lasts: true, find: |scene, net| overlaps(net, scene.allowed, "allowed") },
    Guard {
        name: "trusted-proxy",
        yields: true,
        lasts: true,
        find: |scene, net| overlaps(net, scene.trusted, "a trusted proxy: its clients have to be blocked there"),
    },
    Guard { name: "wide", yields: true, lasts: false, find: |_, net| wide(net) },
    Guard { name: "cdn", yields: true, lasts: false, find: cdn },
    Guard { name: "seen", yields: true, lasts: false, find: unseen },
];

static LOOPBACK: LazyLock<Vec<Net>> =
    LazyLock::new(|| ["127.0.0.0/8", "::1"].iter().filter_map(|text| text.parse().ok()).collect());
static SPECIAL: LazyLock<Vec<(Net, &str)>> = LazyLock::new(|| {
    let texts = [
        ("0.0.0.0/8", "no address of a host"),
        ("::", "no address of a host"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("ff00::/8", "multicast"),
        ("169.254.0.0/16", "link-local"),
        ("fe80::/10", "link-local"),
    ];
    texts.into_iter().filter_map(|(text, what)| Some((text.parse().ok()?, what))).collect()
});

/// Why a block is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The guard that refuses.
    pub guard: &'static str,
    /// Why.
    pub why: String,
    /// Whether it yields to who types the address once more.
    pub yields: bool,
}

/// Which guard refuses to block it; `None`: none does. `confirmed`: it was typed once more.
pub fn judge(scene: &Scene<'_>, net: &Net, confirmed: bool) -> Option<Refusal> {
    find(scene, net, GUARDS.iter().filter(|guard| !confirmed || !guard.yields))
}

/// Which guard ends a block that is there.
pub fn judge_again(scene: &Scene<'_>, net: &Net, confirmed: bool) -> Option<Refusal> {
    find(scene, net, GUARDS.iter().filter(|guard| guard.lasts && (!confirmed || !guard.yields)))
}

fn find<'a>(scene: &Scene<'_>, net: &Net, mut guards: impl Iterator<Item = &'a Guard>) -> Option<Refusal> {
    guards.find_map(|Guard { name, yields, find, .. }| {
        find(scene, net).map(|why| Refusal { guard: name, why, yields: *yields })
    })
}

/// Of which of these it is, or which it holds.
fn holds(net: &Net, addresses: &BTreeSet<IpAddr>, what: &str) -> Option<String> {
    let found = addresses.range(net.first()..=net.last()).next()?;
    Some(is_or_holds(net, &Net::from(*found), what))
}

fn overlaps<'a>(net: &Net, nets: impl IntoIterator<Item = &'a Net>, what: &str) -> Option<String> {
    nets.into_iter().find(|other| net.overlaps(other)).map(|found| is_or_holds(net, found, what))
}

fn special(net: &Net) -> Option<String> {
    SPECIAL.iter().find(|(other, _)| net.overlaps(other)).map(|(found, what)| is_or_holds(net, found, what))
}

fn is_or_holds(net: &Net, found: &Net, what: &str) -> String {
    match net == found || found.contains(net.first()) && found.contains(net.last()) {
        true => format!("it is {what}"),
        false => format!("it holds {found}: {what}"),
    }
}

fn wide(net: &Net) -> Option<String> {
    let widest = if net.first().is_ipv4() { WIDEST_V4 } else { WIDEST_V6 };
    (net.length() < widest).then(|| format!("it is wider than a /{widest}"))
}

fn cdn(scene: &Scene<'_>, net: &Net) -> Option<String> {
    let place = |ip| (scene.place)(ip).filter(|place| CDN.contains(&place.asn));
    let Place { asn, org, .. } = place(net.first()).or_else(|| place(net.last()))?;
    Some(format!("it is of AS{asn} {org}, which carries the traffic of many others"))
}

fn unseen(scene: &Scene<'_>, net: &Net) -> Option<String> {
    ((scene.seen)(net) == Seen::No).then(|| {
        "no packet of it came here in the last ten minutes: who uses it is behind another address, or nobody does"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Net {
        text.parse().unwrap()
    }

    fn addresses(texts: &[&str]) -> BTreeSet<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// What is refused, by which guard.
    fn refused(text: &str, confirmed: bool, again: bool) -> Option<(&'static str, String)> {
        refused_to(text, confirmed, again, false)
    }

    fn refused_to(text: &str, confirmed: bool, again: bool, tries_passwords: bool) -> Option<(&'static str, String)> {
        let lifelines = Lifelines {
            own: addresses(&["192.0.2.10", "2001:db8::10"]),
            gateways: addresses(&["192.0.2.1", "fe80::1"]),
            resolvers: addresses(&["198.51.100.53"]),
            ssh: addresses(&["203.0.113.22", "203.0.113.23"]),
            settled: addresses(&["203.0.113.22"]),
            control: addresses(&["203.0.113.44"]),
            problems: Vec::new(),
        };
        let allowed = BTreeSet::from([net("203.0.113.99"), net("10.9.0.0/16")]);
        let trusted = [net("10.8.0.0/16")];
        let place = |ip: IpAddr| {
            let is_cdn = net("104.16.0.0/13").contains(ip);
            is_cdn.then(|| Place { asn: 13_335, org: "Cloudflare".into(), ..Place::default() })
        };
        let seen = |net: &Net| if *net == "203.0.113.200".parse().unwrap() { Seen::No } else { Seen::Yes };
        let asking = Some("203.0.113.66".parse().unwrap());
        let scene = Scene {
            tries_passwords,
            lifelines: &lifelines,
            asking,
            allowed: &allowed,
            trusted: &trusted,
            place: &place,
            seen: &seen,
        };
        let judge = if again { judge_again } else { judge };
        judge(&scene, &net(text), confirmed).map(|refusal| (refusal.guard, refusal.why))
    }

    #[test]
    fn each_guard_refuses_by_name() {
        for (text, guard) in [
            ("127.0.0.1", Some("loopback")),
            ("127.1.0.0/16", Some("loopback")),
            ("::1", Some("loopback")),
            ("192.0.2.10", Some("own")),
            ("::ffff:192.0.2.10", Some("own")),
            ("2001:db8::/48", Some("own")),
            ("192.0.2.0/28", Some("own")),
            ("192.0.2.1", Some("gateway")),
            ("192.0.2.0/29", Some("gateway")),
            ("fe80::1", Some("gateway")),
            ("fe80::2", Some("special")),
            ("224.0.0.5", Some("special")),
            ("0.0.0.0", Some("special")),
            ("198.51.100.53", Some("resolver")),
            ("198.51.100.0/24", Some("resolver")),
            ("203.0.113.22", Some("ssh")),
            ("203.0.0.0/16", Some("ssh")),
            ("203.0.113.44", Some("control")),
            ("203.0.113.40/29", Some("control")),
            ("203.0.113.66", Some("control")),
            ("203.0.113.64/26", Some("control")),
            ("203.0.113.99", Some("allowed")),
            ("10.9.7.7", Some("allowed")),
            ("10.8.0.9", Some("trusted-proxy")),
            ("10.8.0.0/24", Some("trusted-proxy")),
            ("20.0.0.0/15", Some("wide")),
            ("2a00::/31", Some("wide")),
            ("104.16.0.9", Some("cdn")),
            ("203.0.113.200", Some("seen")),
            ("203.0.113.7", None),
            ("20.0.0.0/16", None),
            ("2a00::/32", None),
        ] {
            assert_eq!(refused(text, false, false).map(|(guard, _)| guard), guard, "{text}");
        }
        let (_, why) = refused("203.0.0.0/16", false, false).unwrap();
        assert_eq!(why, "it holds 203.0.113.22: where somebody is connected to sshd from");
        let (_, why) = refused("10.9.7.0/24", false, false).unwrap();
        assert_eq!(why, "it is allowed");
    }

    #[test]
    fn who_types_it_again_overrides_all_but_own_loopback_and_gateway() {
        for (text, guard) in [
            ("127.0.0.1", Some("loopback")),
            ("192.0.2.10", Some("own")),
            ("192.0.2.1", Some("gateway")),
            ("0.0.0.0/0", Some("loopback")),
            ("198.51.100.53", None),
            ("203.0.113.22", None),
            ("203.0.113.66", None),
            ("203.0.113.99", None),
            ("10.8.0.9", None),
            ("20.0.0.0/15", None),
            ("104.16.0.9", None),
            ("203.0.113.200", None),
        ] {
            assert_eq!(refused(text, true, false).map(|(guard, _)| guard), guard, "{text}");
        }
    }

    #[test]
    fn a_block_that_is_there_is_ended_by_what_may_change() {
        for (text, confirmed, guard) in [
            ("192.0.2.10", false, Some("own")),
            ("192.0.2.1", true, Some("gateway")),
            ("203.0.113.22", false, Some("ssh")),
            ("203.0.113.22", true, None),
            ("203.0.113.99", false, Some("allowed")),
            // Nothing of it comes here any more: it is dropped.
            ("203.0.113.200", false, None),
        ] {
            assert_eq!(refused(text, confirmed, true).map(|(guard, _)| guard), guard, "{text}");
        }
    }

    #[test]
    fn who_only_tries_passwords_is_guarded_once_it_is_connected_for_long() {
        for (text, tries, guard) in [
            ("203.0.113.22", false, Some("ssh")),
            ("203.0.113.23", false, Some("ssh")),
            ("203.0.113.22", true, Some("ssh")),
            ("203.0.113.23", true, None),
            ("203.0.113.99", true, Some("allowed")),
        ] {
            for again in [false, true] {
                let found = refused_to(text, false, again, tries).map(|(guard, _)| guard);
                assert_eq!(found, guard, "{text}, tries passwords: {tries}, again: {again}");
            }
        }
    }
}
