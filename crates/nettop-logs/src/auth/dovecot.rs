//! Dovecot: logins to mailboxes.

use super::message::{Message, message};
use crate::reading::Login::{Accepted, Failed, Weak};

/// Messages. The first that can be read is it.
pub const MESSAGES: &[Message] = &[
    message(Accepted, "<w> Login: user=<<u>>, <x>rip=<a>, <*>"),
    message(Accepted, "<w> Info: Login: user=<<u>>, <x>rip=<a>, <*>"),
    message(Failed, "<w> <x>(auth failed, <x>: user=<<u>>, <x>rip=<a>, <*>"),
    message(Failed, "<w> <x>(auth failed, <x>: user=<<u>>, <x>rip=<a>"),
    message(Failed, "<w> <x>(auth failed, <x>: rip=<a>, <*>"),
    message(Failed, "<w> <x>(auth failed, <x>: method=<w> rip=<a>, <*>"),
    message(Failed, "<w> <x>(proxy dest auth failed): user=<<u>>, <x>rip=<a>, <*>"),
    message(Weak, "<w> <x>(tried to use disallowed <w> auth): <x>rip=<a><*>"),
    message(Weak, "<w> <x>(tried to use disabled <w> auth): <x>rip=<a><*>"),
    message(Weak, "<w> <x>(no auth attempts<x>): <x>rip=<a>, <*>"),
    message(Weak, "<w> <x>(disconnected before auth was ready, <x>): user=<<u>>, <x>rip=<a>, <*>"),
    message(Weak, "<w> <x>(client didn't finish SASL auth, <x>): user=<<u>>, <x>rip=<a>, <*>"),
    // What databases say: `pam(user,address,session): `, whatever stands in front.
    message(Failed, "<x>(<u>,<a>): <x> failed: <*>"),
    message(Failed, "<x>(<u>,<a>,<x>): <x> failed: <*>"),
    message(Failed, "<x>(<u>,<a>): unknown user<*>"),
    message(Failed, "<x>(<u>,<a>,<x>): unknown user<*>"),
    message(Failed, "<x>(<u>,<a>): Password mismatch<*>"),
    message(Failed, "<x>(<u>,<a>,<x>): Password mismatch<*>"),
    message(Failed, "<x>(<u>,<a>): invalid credentials<*>"),
    message(Failed, "<x>(<u>,<a>,<x>): invalid credentials<*>"),
    message(Weak, "pam_unix(dovecot:auth): authentication failure; <x> rhost=<a>"),
    message(Weak, "pam_unix(dovecot:auth): authentication failure; <x> rhost=<a>  user=<*>"),
    message(Weak, "pam_unix(dovecot:auth): authentication failure; <x> rhost=<a> user=<*>"),
];
