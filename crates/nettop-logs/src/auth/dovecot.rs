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
    message(Weak, "<w> <x>(tried to use disallowed plaintext auth): <x>rip=<a>, <*>"),
    message(Weak, "<w> <x>(no auth attempts<x>): <x>rip=<a>, <*>"),
    message(Failed, "<w> pam(<u>,<a>): <x> failed: <*>"),
    message(Failed, "<w> pam(<u>,<a>,<x>): <x> failed: <*>"),
    message(Failed, "<w> pam(<u>,<a>): unknown user<*>"),
    message(Failed, "<w> pam(<u>,<a>,<x>): unknown user<*>"),
    message(Weak, "pam_unix(dovecot:auth): authentication failure; <x> rhost=<a>"),
    message(Weak, "pam_unix(dovecot:auth): authentication failure; <x> rhost=<a>  user=<*>"),
    message(Weak, "pam_unix(dovecot:auth): authentication failure; <x> rhost=<a> user=<*>"),
];
