//! Postfix: logins of those who send mail.

use super::message::{Message, message};
use crate::reading::Login::{Accepted, Failed, Other, Weak};

/// Messages. The first that can be read is it.
pub const MESSAGES: &[Message] = &[
    // Nobody has looked at a password.
    message(Other, "warning: <w>[<a>]: SASL <w> authentication failed: Connection lost to authentication server<*>"),
    message(Other, "warning: <w>[<a>]: SASL <w> authentication failed: Invalid authentication mechanism<*>"),
    message(Failed, "warning: <w>[<a>]: SASL <w> authentication failed<*>"),
    message(Failed, "warning: <w>[<a>]:<n>: SASL <w> authentication failed<*>"),
    message(Failed, "warning: <w>[<a>]: SASL <w> authentication aborted<*>"),
    message(Weak, "lost connection after AUTH from <w>[<a>]"),
    message(Weak, "too many errors after AUTH from <w>[<a>]"),
    message(Accepted, "<w> client=<w>[<a>], sasl_method=<*>"),
    message(Weak, "disconnect from <w>[<a>] <x>auth=0/<n><*>"),
    message(Other, "connect from <w>[<a>]"),
    message(Other, "disconnect from <w>[<a>]<*>"),
];
