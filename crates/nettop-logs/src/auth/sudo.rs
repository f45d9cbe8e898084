//! sudo and su: whoever is here already. They know no address, unless PAM tells where the terminal is from.

use super::message::{Message, message};
use crate::reading::Login::{Accepted, Failed, Weak};

/// Messages. The first that can be read is it.
pub const MESSAGES: &[Message] = &[
    message(Weak, "pam_unix(sudo:auth): authentication failure; <x> rhost=<a> user=<*>"),
    message(Weak, "pam_unix(sudo:auth): authentication failure; <*>"),
    message(Weak, "pam_unix(su:auth): authentication failure; <*>"),
    message(Weak, "pam_unix(su-l:auth): authentication failure; <*>"),
    message(Failed, "<u> : <n> incorrect password attempt<*>"),
    message(Failed, "<u> : user NOT in sudoers <*>"),
    message(Failed, "<u> : command not allowed <*>"),
    message(Failed, "FAILED SU <*>"),
    message(Accepted, "<u> : TTY=<*>"),
];
