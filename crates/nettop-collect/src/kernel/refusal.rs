//! Why an interface does not take the program, in words: what drivers and the kernel mean by their error numbers.

use std::io;

use crate::privilege;

/// What an error number of attaching in the driver means, and what makes native XDP possible.
struct Reason {
    code: i32,
    /// What is in the way.
    what: &'static str,
    /// What to do.
    remedy: &'static str,
}

const fn reason(code: i32, what: &'static str, remedy: &'static str) -> Reason {
    Reason { code, what, remedy }
}

/// What drivers refuse native XDP with: from the sources of Linux 6.18 and of older releases.
const REASONS: &[Reason] = &[
    reason(
        libc::EOPNOTSUPP,
        "the driver has no native XDP, or not with its present offloads",
        "where it has, `ethtool -K NAME gro-hw off lro off` allows it",
    ),
    reason(
        libc::ENOSPC,
        "too few receive queues for native XDP: a veth needs as many as its peer sends with",
        "`ethtool -L NAME rx N`, or `ethtool -L PEER tx N` at the other end",
    ),
    reason(
        libc::ERANGE,
        "the MTU is too large for native XDP in this driver",
        "a smaller one: `ip link set NAME mtu N`",
    ),
    reason(
        libc::EINVAL,
        "the driver does not run native XDP as the interface is set up: mostly the MTU, large receive offload, or receive and \
         send queues of different number",
        "`ip link set NAME mtu 1500`, `ethtool -K NAME lro off`, `ethtool -L NAME combined N`",
    ),
    reason(
        libc::ENOMEM,
        "the driver found no memory or no free queues for native XDP: some need a send queue for each CPU",
        "fewer queues with `ethtool -L NAME combined N`",
    ),
    reason(
        libc::E2BIG,
        "the driver has too few queues, or the packets do not fit into its buffers, for native XDP",
        "`ethtool -L NAME combined N`, or a smaller MTU",
    ),
    reason(
        libc::EFBIG,
        "the MTU is too large for native XDP in this driver",
        "a smaller one: `ip link set NAME mtu N`",
    ),
    reason(
        libc::EMSGSIZE,
        "the MTU is too large for native XDP in this driver",
        "a smaller one: `ip link set NAME mtu N`",
    ),
    reason(
        libc::EBUSY,
        "the driver is busy, with a reset or another user of its queues, and does not run native XDP now",
        "attaching again later",
    ),
    reason(
        libc::EAGAIN,
        "the driver is busy, with a reset or another user of its queues, and does not run native XDP now",
        "attaching again later",
    ),
    reason(libc::ENETDOWN, "the driver runs native XDP only while the interface is up", "`ip link set NAME up` first"),
    reason(libc::EIO, "the network card did not take native XDP", "see the kernel's log (dmesg)"),
    reason(
        libc::ETIMEDOUT,
        "the network card did not answer when native XDP was set up",
        "see the kernel's log (dmesg)",
    ),
];

/// Whether another mode may succeed where native mode failed with this error. `has_another`: an XDP program of somebody
/// else's is attached.
pub fn is_about_the_driver(error: &io::Error, has_another: bool) -> bool {
    match error.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => !has_another && error.raw_os_error() == Some(libc::EBUSY),
        Some(libc::ENODEV) => false,
        _ => !privilege::is_refusal(error),
    }
}

/// Why the driver of this interface did not take the program, and what would change that.
pub fn native(error: &io::Error, name: &str) -> String {
    let code = error.raw_os_error();
    match REASONS.iter().find(|reason| Some(reason.code) == code) {
        Some(Reason { what, remedy, .. }) => {
            let remedy = remedy.replace("NAME", &nettop_process::shell::word(name));
            format!("{what} ({error}); {remedy}")
        }
        None => format!("the driver refuses native XDP: {error}"),
    }
}

/// Why the network stack did not take it either: what is in the way, and what to do.
pub fn generic(error: &io::Error) -> String {
    let (what, remedy) = match error.raw_os_error() {
        Some(libc::ENODEV) => return "the interface has just gone".into(),
        Some(libc::EOPNOTSUPP) => ("it has no XDP at all", "name another interface with --iface"),
        Some(libc::EINVAL) => (
            "not as it is set up: an interface below a bridge, bond or team may have to leave it",
            "name the one above it with --iface",
        ),
        _ => return format!("the kernel does not attach an XDP program: {error}"),
    };
    format!("the kernel does not attach an XDP program: {what} ({error}); {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drivers_mean_is_said_with_a_remedy() {
        for (code, parts) in [
            (libc::EOPNOTSUPP, ["no native XDP", "ethtool -K v0 gro-hw off"]),
            (libc::ENOSPC, ["receive queues", "ethtool -L v0 rx"]),
            (libc::ERANGE, ["MTU", "ip link set v0 mtu"]),
            (libc::EINVAL, ["MTU", "ethtool -L v0 combined"]),
            (libc::ENOMEM, ["queues", "ethtool -L v0 combined"]),
            (libc::E2BIG, ["queues", "smaller MTU"]),
            (libc::EBUSY, ["busy", "later"]),
            (libc::ENETDOWN, ["is up", "ip link set v0 up"]),
        ] {
            let error = io::Error::from_raw_os_error(code);
            let note = native(&error, "v0");
            assert!(parts.iter().all(|part| note.contains(part)), "{note}");
            assert!(is_about_the_driver(&error, false), "{note}");
            assert!(note.contains(&format!("os error {code}")) && !note.contains("NAME"), "{note}");
        }
        assert!(native(&io::Error::from_raw_os_error(libc::EXDEV), "v0").contains("os error 18"));
        assert!(native(&io::Error::from_raw_os_error(libc::ENOSPC), "a b").contains("-L 'a b' rx"));
    }

    #[test]
    fn what_is_not_about_the_driver_has_no_other_mode() {
        for (code, has_another, about) in [
            (libc::EPERM, false, false),
            (libc::EACCES, false, false),
            (libc::ENODEV, false, false),
            (libc::EEXIST, true, false),
            (libc::EBUSY, true, false),
            (libc::EBUSY, false, true),
            (libc::ENOMEM, false, true),
            (libc::ENOSPC, true, true),
        ] {
            assert_eq!(is_about_the_driver(&io::Error::from_raw_os_error(code), has_another), about, "{code}");
        }
    }

    #[test]
    fn no_error_number_stands_twice() {
        let codes: std::collections::BTreeSet<_> = REASONS.iter().map(|reason| reason.code).collect();
        assert_eq!(codes.len(), REASONS.len());
    }
}
