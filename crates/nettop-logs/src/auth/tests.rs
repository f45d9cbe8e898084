use super::*;

const NOW: u64 = 1_233_918_900_000_000_000;

/// What lines say, one after the other, of one file.
fn said(lines: &[&str]) -> Vec<String> {
    let mut auth = Auth::default();
    let of = |said| match said {
        Said::Event { client, event, .. } => {
            let client = client.map_or("nobody".into(), |ip: IpAddr| ip.to_string());
            let times = if event.times > 1 { format!(" x{}", event.times) } else { String::new() };
            format!("{} {:?} {client} {:?}{times}", event.service, event.login, &*event.user)
        }
        Said::Ambiguous { service } => format!("{service} ambiguous"),
        Said::Nothing => "nothing".into(),
        Said::Other => "other".into(),
    };
    lines.iter().map(|line| of(auth.read(line, NOW, 0))).collect()
}

#[test]
fn messages_of_sshd_are_read_in_every_dialect() {
    for (message, expected) in [
        ("Failed password for root from 203.0.113.7 port 22 ssh2", "sshd Failed 203.0.113.7 \"root\""),
        ("Failed password for invalid user a b from 203.0.113.7 port 22 ssh2", "sshd Failed 203.0.113.7 \"a b\""),
        ("Failed publickey for git from 203.0.113.7 port 22 ssh2: RSA SHA256:x", "sshd Weak 203.0.113.7 \"git\""),
        (
            "Failed publickey for invalid user git from 203.0.113.7 port 22 ssh2: RSA x",
            "sshd Failed 203.0.113.7 \"git\"",
        ),
        (
            "error: maximum authentication attempts exceeded for root from 2001:db8::7 port 9 ssh2 [preauth]",
            "sshd Failed 2001:db8::7 \"root\"",
        ),
        ("Invalid user  from 203.0.113.7 port 9", "sshd Failed 203.0.113.7 \"\""),
        (
            "message repeated 3 times: [ Failed password for root from 203.0.113.7 port 22 ssh2]",
            "sshd Failed 203.0.113.7 \"root\" x3",
        ),
        (
            "Accepted publickey for admin from 203.0.113.7 port 9 ssh2: ED25519 SHA256:x",
            "sshd Accepted 203.0.113.7 \"admin\"",
        ),
        ("User root from 203.0.113.7 not allowed because not listed in AllowUsers", "sshd Failed 203.0.113.7 \"root\""),
        (
            "Received disconnect from 203.0.113.7: 3: com.jcraft.jsch.JSchException: Auth fail [preauth]",
            "sshd Failed 203.0.113.7 \"\"",
        ),
        ("Failed password for root from example.com port 22 ssh2", "sshd Failed nobody \"root\""),
        ("Failed password for root from ::ffff:203.0.113.7 port 22 ssh2", "sshd Failed 203.0.113.7 \"root\""),
        ("Server listening on 0.0.0.0 port 22.", "nothing"),
    ] {
        let lines = [
            format!("Feb  6 11:14:14 host sshd[7]: {message}"),
            format!("2009-02-06T11:14:14Z host sshd-session[7]: {message}"),
            format!("<38>1 2009-02-06T11:14:14Z host sshd 7 - - {message}"),
        ];
        let journal = serde_json::json!({"__REALTIME_TIMESTAMP": "1233918854000000", "_COMM": "sshd-session", "_PID": "7", "MESSAGE": message});
        for line in lines.into_iter().chain([journal.to_string()]) {
            assert_eq!(said(&[&line]), [expected], "{line}");
        }
    }
}

#[test]
fn whoever_chooses_a_name_cannot_choose_whose_it_is() {
    for (message, expected) in [
        (
            "Failed password for invalid user x from 198.51.100.7 port 1 ssh2: y from 203.0.113.9 port 40000 ssh2",
            "sshd ambiguous",
        ),
        (
            "Failed password for invalid user x from 198.51.100.7 from 203.0.113.9 port 40000 ssh2",
            "sshd Failed 203.0.113.9 \"x from 198.51.100.7\"",
        ),
        (
            "Failed password for invalid user x from 198.51.100.7 port 55 ssh2 from 203.0.113.9 port 40000 ssh2",
            "sshd Failed 203.0.113.9 \"x from 198.51.100.7 port 55 ssh2\"",
        ),
        (
            "Invalid user x from 198.51.100.7 port 5 from 203.0.113.9 port 6",
            "sshd Failed 203.0.113.9 \"x from 198.51.100.7 port 5\"",
        ),
        (
            "Connection closed by invalid user x 198.51.100.7 port 5 203.0.113.9 port 6 [preauth]",
            "sshd Weak 203.0.113.9 \"x 198.51.100.7 port 5\"",
        ),
        ("User x from 198.51.100.7 not allowed because y from 203.0.113.9 not allowed because z", "sshd ambiguous"),
    ] {
        assert_eq!(said(&[&format!("Feb  6 11:14:14 host sshd[7]: {message}")]), [expected], "{message}");
    }
    let long = format!("host sshd[7]: Failed password for {}", " from 1.2.3.4".repeat(300));
    assert_eq!(said(&[&long]).len(), 1);
}

#[test]
fn messages_without_an_address_are_of_whom_their_process_talks_with() {
    let lines = [
        "host sshd[7]: Connection from 203.0.113.7 port 9 on 192.0.2.1 port 22",
        "host sshd[7]: Disconnecting: Too many authentication failures for root [preauth]",
        "host sshd[8]: User root not allowed because account is locked",
        "host sshd[8]: Received disconnect from 203.0.113.8 port 9:11: Bye Bye [preauth]",
        "host sshd[9]: Disconnecting: Too many authentication failures",
        "host sshd[9]: Connection from 203.0.113.9 port 9 on 192.0.2.1 port 22",
    ];
    assert_eq!(
        said(&lines),
        [
            "sshd Other 203.0.113.7 \"\"",
            "sshd Weak 203.0.113.7 \"\"",
            "sshd Failed nobody \"root\"",
            "sshd Failed 203.0.113.8 \"root\"",
            "sshd Weak nobody \"\"",
            "sshd Other 203.0.113.9 \"\"",
        ]
    );
}

#[test]
fn a_failure_that_is_told_twice_is_one() {
    let mut auth = Auth::default();
    let failures: u32 = [
        "host sshd[7]: Invalid user bob from 203.0.113.7 port 9",
        "host sshd[7]: Failed password for invalid user bob from 203.0.113.7 port 9 ssh2",
        "host sshd[7]: Failed password for invalid user bob from 203.0.113.7 port 9 ssh2",
        "host sshd[7]: Connection closed by invalid user bob 203.0.113.7 port 9 [preauth]",
    ]
    .iter()
    .map(|line| match auth.read(line, NOW, 0) {
        Said::Event { event, .. } if event.login == Login::Failed => event.times,
        _ => 0,
    })
    .sum();
    assert_eq!(failures, 2);
}

#[test]
fn other_programs_are_read_by_tables_of_their_own() {
    for (line, expected) in [
        (
            "host dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<bob>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.1, TLS",
            "dovecot Failed 203.0.113.7",
        ),
        (
            "host dovecot: imap-login: Login: user=<bob>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.1, mpid=1",
            "dovecot Accepted 203.0.113.7",
        ),
        (
            "host dovecot: imap-login: Aborted login (auth failed, 1 attempts): user=<a>, rip=198.51.100.1, b>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.1",
            "dovecot ambiguous",
        ),
        (
            "host postfix/smtpd[5]: warning: unknown[203.0.113.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
            "postfix Failed 203.0.113.7",
        ),
        (
            "host postfix/submission/smtpd[5]: warning: unknown[203.0.113.7]: SASL PLAIN authentication failed:",
            "postfix Failed 203.0.113.7",
        ),
        (
            "host postfix/smtpd[5]: warning: unknown[203.0.113.7]:55729: SASL LOGIN authentication failed: x",
            "postfix Failed 203.0.113.7",
        ),
        (
            "host postfix/smtpd[5]: warning: a[203.0.113.7]: SASL LOGIN authentication failed: Connection lost to authentication server",
            "postfix Other 203.0.113.7",
        ),
        (
            "host postfix/smtpd[5]: disconnect from a[203.0.113.7] ehlo=1 auth=0/2 commands=1/3",
            "postfix Weak 203.0.113.7",
        ),
        ("host postfix/smtpd[5]: disconnect from a[203.0.113.7] ehlo=1 auth=1 commands=3", "postfix Other 203.0.113.7"),
        ("host dovecot: auth: passwd-file(bob,203.0.113.7): unknown user", "dovecot Failed 203.0.113.7"),
        ("host auth-worker(2): Info: sql(a@b.c,203.0.113.7,<x+y>): Password mismatch", "dovecot Failed 203.0.113.7"),
        (
            "host dovecot: auth-worker(5): conn unix:auth-worker (pid=2,uid=9): auth-worker<1>: pam(bob,203.0.113.7): unknown user",
            "dovecot Failed 203.0.113.7",
        ),
        ("host dovecot: auth: sql(x,198.51.100.1): unknown user,203.0.113.7): unknown user", "dovecot ambiguous"),
        (
            "host dovecot: imap-login: Disconnected (auth failed, 1 attempts): method=PLAIN, rip=203.0.113.7, lip=192.0.2.1",
            "dovecot Failed 203.0.113.7",
        ),
        ("host postfix/smtpd[5]: lost connection after AUTH from unknown[203.0.113.7]", "postfix Weak 203.0.113.7"),
        (
            "host sudo: bob : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
            "sudo Failed nobody",
        ),
        ("host CRON[7]: pam_unix(cron:session): session opened for user root", "other"),
        ("no line of a log", "other"),
        ("{\"MESSAGE\":[1,2]}", "other"),
    ] {
        let found = said(&[line]).remove(0);
        assert!(found.starts_with(expected), "{line}: {found}");
    }
}
