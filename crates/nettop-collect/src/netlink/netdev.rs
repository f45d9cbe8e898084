//! What the driver of an interface can do with XDP, before anything is attached: the kernel's generic netlink family
//! `netdev` tells, from Linux 6.3 on. Numbers are those of `linux/genetlink.h` and `linux/netdev.h`.

use std::io;

use super::generic;

const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
/// `NETDEV_XDP_ACT_BASIC`: the driver runs programs itself.
const BASIC: u64 = 1;

/// Whether the driver of this interface runs XDP programs natively; `None` before Linux 6.3, which does not tell.
///
/// # Errors
/// What the kernel says.
pub fn is_native(index: u32) -> io::Result<Option<bool>> {
    let Some(family) = generic::family(b"netdev\0")? else { return Ok(None) };
    let answer = generic::get(family, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, &index.to_ne_bytes())?;
    Ok(generic::value(&answer, NETDEV_A_DEV_XDP_FEATURES).map(|features| u64::from_ne_bytes(features) & BASIC != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_answers_or_says_that_it_does_not_know() {
        // The loopback of any network namespace.
        assert!(matches!(is_native(1), Ok(None | Some(false))), "{:?}", is_native(1));
    }
}
