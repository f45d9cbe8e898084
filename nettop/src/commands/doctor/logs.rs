//! Logs.

use nettop_actor::journal;

use super::Finding;

/// Whether this user may read what --journal follows.
pub fn journal() -> Finding {
    match journal::look() {
        Ok(()) => {
            Finding::good("what root's programs have written can be read by this user (--journal follows sshd's)")
        }
        Err(why) => Finding::failed(&anyhow::Error::msg(why), "leave out --journal"),
    }
}
