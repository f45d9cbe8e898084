//! What is notable in a request: ways to break in, products that scanners look for, and the names that scanners give themselves.
//!
//! A target is looked at as it came and decoded: `%xx` until nothing changes, at most three times, as lenient servers do it.

use std::{borrow::Cow, sync::LazyLock};

use aho_corasick::{AhoCorasick, MatchKind};
use anyhow::{Context as _, Result, ensure};

use crate::reading::Marks;

/// Parts of targets that only whoever breaks in asks for.
pub const EXPLOITS: &[&str] = &[
    "/etc/passwd",
    "/etc/shadow",
    "/proc/self/environ",
    "win.ini",
    "${jndi:",
    "/.git/",
    "/.svn/",
    "/.aws/credentials",
    "/.ssh/",
    "eval-stdin.php",
    "/boaform/",
    "/cgi-bin/luci/;stok=",
    "union select",
    "union all select",
    "<script",
    "php://input",
    "allow_url_include",
    "auto_prepend_file",
    "/shell?cd+",
    "wget+http",
    "/setup.cgi?",
    "invokefunction&function=call_user_func",
];
/// Files that begin so, in any folder, and end there or go on with something that is no letter.
const EXPLOIT_FILES: &[&str] = &["/.env"];
/// Parts of targets of products: who has them answers, who does not is looked at by scanners.
pub const PRODUCTS: &[&str] = &[
    "wp-login",
    "wp-admin",
    "wp-includes",
    "wp-content",
    "xmlrpc.php",
    "phpmyadmin",
    "/pma/",
    "/adminer",
    "/actuator",
    ".aspx",
    "/owa/",
    "/autodiscover",
    "/solr/",
    "/jenkins",
    "/manager/html",
    "/hnap1",
    "/vendor/phpunit",
    "/telescope/",
    "/_ignition",
    "/geoserver",
    "/struts",
    "/remote/login",
    "/cgi-bin/",
];
/// Names that scanners give themselves.
pub const AGENTS: &[&str] = &[
    "sqlmap",
    "nikto",
    "nmap",
    "masscan",
    "zgrab",
    "gobuster",
    "dirbuster",
    "wpscan",
    "nuclei",
    "hydra",
    "acunetix",
    "nessus",
];
/// Commands below `/cgi-bin/` that are no programs of a web server.
const SHELLS: &[&str] = &["/bin/sh", "/bin/bash", "cmd.exe"];
/// How often a target is decoded.
const ROUNDS: usize = 3;
/// The longest pattern of one's own, and how many there may be.
const MOST_PATTERN: usize = 256;
const MOST_PATTERNS: usize = 1024;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Patterns {
    exploits: AhoCorasick,
    products: AhoCorasick,
    agents: AhoCorasick,
}

static KNOWN: LazyLock<Patterns> = LazyLock::new(|| Patterns {
    exploits: any_of(EXPLOITS.iter().copied()),
    products: any_of(PRODUCTS.iter().copied()),
    agents: any_of(AGENTS.iter().copied()),
});

impl Default for Patterns {
    fn default() -> Self {
        KNOWN.clone()
    }
}

fn any_of<'a>(patterns: impl Iterator<Item = &'a str>) -> AhoCorasick {
    let patterns = patterns.map(str::to_ascii_lowercase);
    // Texts are in lower case when they are looked at: so they are searched sixteen bytes at a time.
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .build(patterns)
        .unwrap_or_else(|_| AhoCorasick::new::<[&str; 0], &str>([]).expect("no pattern at all is no large one"))
}

impl Patterns {
    /// With some of one's own: parts of targets, and of agents, in lower or upper case.
    ///
    /// # Errors
    /// One is empty or too long, or there are too many; the pattern is named.
    pub fn with(exploits: &[String], agents: &[String]) -> Result<Self> {
        for (list, name) in [(exploits, "exploit"), (agents, "agents")] {
            ensure!(
                list.len() <= MOST_PATTERNS,
                "{name} has {} patterns, and at most {MOST_PATTERNS} are possible",
                list.len()
            );
            for pattern in list {
                check(pattern).with_context(|| format!("{name}: {pattern:?}"))?;
            }
        }
        let known = |known: &[&'static str], own: &[String]| -> AhoCorasick {
            any_of(known.iter().copied().chain(own.iter().map(String::as_str)))
        };
        Ok(Self {
            exploits: known(EXPLOITS, exploits),
            agents: known(AGENTS, agents),
            products: KNOWN.products.clone(),
        })
    }

    /// What is notable in a target and an agent.
    pub fn marks(&self, target: &str, agent: &str) -> Marks {
        let mut marks = Marks::default();
        if !agent.is_empty() && has_any(&self.agents, agent) {
            marks = marks.with(Marks::SCANNER);
        }
        let signs = Signs::of(target);
        let raw = if signs.has_upper { Cow::Owned(target.to_ascii_lowercase()) } else { Cow::Borrowed(target) };
        let decoded = if signs.is_plain() { Cow::Borrowed(&*raw) } else { Cow::Owned(decoded(target)) };
        if self.is_exploit(&raw, signs) || (*decoded != *raw && self.is_exploit(&decoded, Signs::of(&decoded))) {
            marks = marks.with(Marks::EXPLOIT);
        }
        if self.products.is_match(path(&decoded)) {
            marks = marks.with(Marks::PRODUCT);
        }
        marks
    }

    /// Whether a target in lower case, with these signs, is a way to break in.
    fn is_exploit(&self, target: &str, signs: Signs) -> bool {
        self.exploits.is_match(target)
            || signs.has_dots && (climbs(path(target)) || EXPLOIT_FILES.iter().any(|file| has_file(path(target), file)))
            || target.contains("/cgi-bin/")
                && path(target).contains("/cgi-bin/")
                && SHELLS.iter().any(|shell| path(target).ends_with(shell) || target.contains(shell))
            || signs.has_lookup && unfolded(target).contains("${jndi:")
    }
}

fn path(target: &str) -> &str {
    &target[..memchr::memchr(b'?', target.as_bytes()).unwrap_or(target.len())]
}

/// Whether one of these, which are in lower case, is in a text.
fn has_any(patterns: &AhoCorasick, text: &str) -> bool {
    let mut buffer = [0; 256];
    // Nearly all are that short, and need no memory of their own.
    match buffer.get_mut(..text.len()) {
        Some(lower) => {
            lower.copy_from_slice(text.as_bytes());
            lower.make_ascii_lowercase();
            patterns.is_match(&*lower)
        }
        None => patterns.is_match(&text.to_ascii_lowercase()),
    }
}

/// What a look at each byte tells: nearly all targets have none of it, and need no second look.
#[derive(Clone, Copy, Default)]
struct Signs {
    /// Letters in upper case.
    has_upper: bool,
    /// `%`, a backslash, or a slash or point that stands behind a slash.
    is_folded: bool,
    /// A point at the beginning of a part.
    has_dots: bool,
    /// `${`
    has_lookup: bool,
}

impl Signs {
    fn of(target: &str) -> Self {
        let mut signs = Self { has_dots: target.starts_with('.'), ..Self::default() };
        let mut before = 0;
        for byte in target.bytes() {
            match byte {
                b'A'..=b'Z' => signs.has_upper = true,
                b'%' | b'\\' => signs.is_folded = true,
                b'.' => signs.has_dots |= before == b'/',
                b'/' => signs.is_folded |= before == b'/',
                b'{' => signs.has_lookup |= before == b'$',
                _ => {}
            }
            before = byte;
        }
        signs.is_folded |= signs.has_dots;
        signs
    }

    /// Whether decoding changes nothing but letters in upper case.
    fn is_plain(self) -> bool {
        !self.is_folded
    }
}

/// Whether a pattern of one's own is one.
fn check(pattern: &str) -> Result<()> {
    ensure!(pattern.len() >= 2, "a pattern of fewer than two characters is in nearly every request");
    ensure!(pattern.len() <= MOST_PATTERN, "a pattern has at most {MOST_PATTERN} bytes");
    Ok(())
}

/// Whether a path has this file, and it ends there or goes on with something that is no letter or digit.
fn has_file(path: &str, file: &str) -> bool {
    path.match_indices(file).any(|(at, _)| {
        let next = path[at + file.len()..].chars().next();
        next.is_none_or(|next| !next.is_alphanumeric() && next != '-')
    })
}

/// Whether a path leads above its root.
fn climbs(path: &str) -> bool {
    let mut depth = 0_i32;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

/// As a lenient server would understand it: escapes undone until nothing changes, backslashes as slashes, `//` and `/./` folded, in lower case.
fn decoded(target: &str) -> String {
    let mut text = target.to_owned();
    for _ in 0..ROUNDS {
        let next = once(&text);
        if next == text {
            break;
        }
        text = next;
    }
    let mut text = text.replace('\\', "/").to_lowercase();
    for (double, single) in [("/./", "/"), ("//", "/")] {
        while text.contains(double) {
            text = text.replace(double, single);
        }
    }
    text
}

/// Undoes `%xx`, `%uXXXX` and overlong forms such as `%c0%ae` once.
fn once(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        match (hex(bytes, at + 1, 2), bytes.get(at + 1)) {
            // An ASCII character in two bytes, which no valid text has.
            (Some(lead @ (0xc0 | 0xc1)), _) if bytes.get(at + 3) == Some(&b'%') => match hex(bytes, at + 4, 2) {
                Some(tail) if tail & 0xc0 == 0x80 => {
                    out.push(((lead & 0x1f) << 6 | tail & 0x3f) as u8);
                    at += 6;
                }
                _ => {
                    out.push(lead as u8);
                    at += 3;
                }
            },
            (Some(value), _) => {
                out.push(value as u8);
                at += 3;
            }
            (None, Some(b'u' | b'U')) => match hex(bytes, at + 2, 4) {
                Some(value) => {
                    let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    at += 6;
                }
                None => {
                    out.push(b'%');
                    at += 1;
                }
            },
            _ => {
                out.push(b'%');
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(bytes: &[u8], from: usize, digits: usize) -> Option<u32> {
    let text = bytes.get(from..from + digits)?;
    text.iter().try_fold(0, |sum, byte| Some(sum * 16 + char::from(*byte).to_digit(16)?))
}

/// Log4j's look-ups that stand for a character, `${lower:j}`, `${::-j}`, replaced by it, in lower case.
fn unfolded(text: &str) -> String {
    let mut text = text.to_ascii_lowercase();
    // The innermost first; each round makes it shorter.
    for _ in 0..64 {
        let Some(inner) = innermost(&text) else { break };
        let value = text[inner.clone()].rsplit_once([':', '-']).map_or("", |(_, value)| value);
        let value: String = value.chars().take(8).collect();
        text.replace_range(inner.start - 2..inner.end + 1, &value);
    }
    text
}

/// The inside of a look-up that has none in it, and is no look-up of JNDI.
fn innermost(text: &str) -> Option<std::ops::Range<usize>> {
    let mut from = text.len();
    loop {
        let start = text[..from].rfind("${")?;
        if let Some(length) = text[start..].find('}')
            && !text[start + 2..].starts_with("jndi")
        {
            return Some(start + 2..start + length);
        }
        from = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_break_in_are_told_however_they_are_written() {
        let patterns = Patterns::default();
        for target in [
            "..%252f..%252fetc%252fpasswd",
            "/..%252f..%252fetc%252fpasswd",
            "%c0%ae%c0%ae/",
            "/%c0%ae%c0%ae/%c0%ae%c0%ae/x",
            "/cgi-bin/.%2e/.%2e/bin/sh",
            "/cgi-bin/.%%32%65/.%%32%65/bin/sh",
            "/x?q=${${lower:j}ndi:ldap://x}",
            "/${jndi:ldap://x}",
            "/$%7Bjndi:ldap://x%7D",
            "/${${::-j}${::-n}${::-d}${::-i}:rmi://x}",
            "/.env",
            "/app/.env?x",
            "/.env.local",
            "/%2eenv",
            "/.git/config",
            "/a\\..\\..\\..\\windows\\win.ini",
            "/%u002e%u002e/",
            "/?id=1%20UNION%20SELECT%201",
            "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
            "/boaform/admin/formLogin",
        ] {
            assert!(patterns.marks(target, "").has(Marks::EXPLOIT), "{target}");
        }
        for target in [
            "/",
            "",
            "/index.jsp",
            "/environment",
            "/.environment",
            "/.env-docs",
            "/a/../b",
            "/a/b/../../c",
            "/wp-admin/",
            "/search?q=union+of+workers",
            "/%",
            "/%zz%u12",
            "/a..b/c",
            "/.github/workflows",
            "/$%7Bprice%7D",
            "/cgi-bin/status",
        ] {
            assert!(!patterns.marks(target, "").has(Marks::EXPLOIT), "{target}");
        }
    }

    #[test]
    fn products_and_scanners_are_told_by_name() {
        let patterns = Patterns::default();
        for (target, agent, expected) in [
            ("/wp-login.php", "", Marks::PRODUCT),
            ("/WP-Admin/x", "Mozilla/5.0", Marks::PRODUCT),
            ("/blog?from=/wp-login.php", "", Marks::default()),
            ("/", "Mozilla/5.0 zgrab/0.x", Marks::SCANNER),
            ("/", "Nikto/2.1", Marks::SCANNER),
            ("/phpMyAdmin/", "sqlmap", Marks::PRODUCT.with(Marks::SCANNER)),
            ("/", "", Marks::default()),
        ] {
            assert_eq!(patterns.marks(target, agent), expected, "{target} {agent}");
        }
    }

    #[test]
    fn patterns_of_ones_own_are_added_and_bad_ones_refused() {
        let own = |text: &str| vec![text.to_string()];
        let patterns = Patterns::with(&own("/Secret-Panel"), &own("EvilBot")).unwrap();
        assert_eq!(patterns.marks("/secret-panel/x", "evilbot 1"), Marks::EXPLOIT.with(Marks::SCANNER));
        assert!(patterns.marks("/.git/HEAD", "nikto").has(Marks::EXPLOIT));
        for (bad, expected) in [("", "fewer than two"), ("/", "fewer than two"), (&*"x".repeat(300), "at most 256")] {
            let error = format!("{:#}", Patterns::with(&own(bad), &[]).unwrap_err());
            assert!(error.contains(expected) && error.starts_with("exploit: "), "{error}");
        }
    }

    #[test]
    fn decoding_ends_whatever_it_is_given() {
        for text in ["%25".repeat(5000), "${".repeat(5000), "${a:b}".repeat(5000), "//./".repeat(5000), "%u".repeat(99)]
        {
            let marks = Patterns::default().marks(&text, &text);
            assert!(!marks.has(Marks::SCANNER));
        }
    }
}
