//! Postfix: logins of those who send mail.

use super::message::{Message, message};
use crate::reading::Login::{Accepted, Failed, Other, Weak};

/// Messages. The first that can be read is it.
pub const MESSAGES: &[Message] = &[
    message(Failed, "warning: <w>[<a>]: SASL <w> authentication failed<*>"),
    message(Failed, "warning: <w>[<a>]: SASL <w> authentication aborted<*>"),
    message(Weak, "lost connection after AUTH from <w>[<a>]"),
    message(Weak, "too many errors after AUTH from <w>[<a>]"),
    message(Accepted, "<w> client=<w>[<a>], sasl_method=<*>"),
    message(Other, "connect from <w>[<a>]"),
    message(Other, "disconnect from <w>[<a>]<*>"),
];
