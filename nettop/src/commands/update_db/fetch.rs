//! Fetching one file over HTTP: into a file without a name, which goes away by itself however this ends.

use std::{
    fs::File,
    io::{self, Seek as _, Write as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use ureq::{
    Agent, Timeout,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{Limits, progress::Progress};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// Every gzip file begins so (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Makes what fetches from `base`, an `http://` or `https://` URL.
///
/// # Errors
/// When the authorities that vouch for servers cannot be read on this machine.
pub fn agent(base: &str, limits: &Limits) -> Result<Agent> {
    let secure = base.starts_with("https://");
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(authorities(secure)?)
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        // Nobody on the way turns a secure base into an insecure one.
        .https_only(secure)
        .http_status_as_error(false)
        .max_redirects(limits.redirects)
        .user_agent(concat!("nettop/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(limits.connect))
        .timeout_connect(Some(limits.connect))
        .timeout_send_request(Some(limits.stall))
        .timeout_recv_response(Some(limits.stall))
        .timeout_per_read(Some(limits.stall))
        .build();
    Ok(config.into())
}

/// Those this machine trusts: who administrates it may have added some, or removed some.
fn authorities(needed: bool) -> Result<RootCerts> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() && needed {
        let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
        bail!(
            "this machine has no certificates of authorities, so no server can be trusted; on Debian: apt-get install \
             ca-certificates {}",
            errors.join("; ")
        );
    }
    let certificates: Vec<_> =
        found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    Ok(RootCerts::new_with_certs(&certificates))
}

/// Fetches a gzip file into `directory`; `None`: the server does not have it (404).
///
/// # Errors
/// Name the URL and what is wrong: no server, another status, no gzip, too slow, too long, ended half-way.
pub fn fetch(agent: &Agent, url: &str, directory: &Path, limits: &Limits, progress: &Progress) -> Result<Option<File>> {
    let mut response = agent.get(url).call().map_err(|error| explain(error, limits)).context(url.to_string())?;
    match response.status().as_u16() {
        200 => {}
        404 => return Ok(None),
        _ => bail!("{url}: the server answers {}, not the file", response.status()),
    }
    let announced = response.body().content_length();
    if let Some(length) = announced {
        ensure!(length <= limits.packed, "{url}: {length} bytes are announced, more than such a file can have");
    }
    let mut file = tempfile::tempfile_in(directory).with_context(|| {
        format!("making a temporary file in {}; name another folder with --workdir", directory.display())
    })?;
    let name = url.rsplit('/').next().unwrap_or(url);
    progress.begin(&format!("fetching {name}"), announced);
    let mut body = response.body_mut().as_reader();
    receive(&mut body, &mut file, limits, progress).context(url.to_string())?;
    progress.end();
    file.rewind().context("rewinding a temporary file")?;
    Ok(Some(file))
}

/// Copies the body, as long as it looks right.
fn receive(body: &mut impl io::Read, file: &mut File, limits: &Limits, progress: &Progress) -> Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut head = Vec::new();
    let mut received = 0_u64;
    let mut window = (Instant::now(), received);
    loop {
        let length = match body.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(
                    explain(ureq::Error::from(error), limits).context(format!("broke off after {received} bytes"))
                );
            }
        };
        let bytes = &chunk[..length];
        received += length as u64;
        if head.len() < GZIP.len() {
            head.extend(bytes.iter().take(64));
            ensure!(head.len() < GZIP.len() || head.starts_with(&GZIP), not_gzip(&head));
        }
        ensure!(received <= limits.packed, "longer than {} bytes, which no such file has", limits.packed);
        let (since, before) = window;
        if since.elapsed() >= limits.stall {
            let came = received - before;
            ensure!(
                came >= limits.least_per_stall,
                "too slow: only {came} bytes in {:.0} s; try again later, or another mirror with --url",
                since.elapsed().as_secs_f64()
            );
            window = (Instant::now(), received);
        }
        file.write_all(bytes).context("writing a temporary file; name another folder with --workdir")?;
        progress.add(length as u64);
    }
    ensure!(head.starts_with(&GZIP), not_gzip(&head));
    Ok(())
}

fn not_gzip(head: &[u8]) -> String {
    if head.trim_ascii_start().starts_with(b"<") {
        return "the server sent HTML, not a gzip file; is --url right?".into();
    }
    format!("not a gzip file: it begins with {:?}; is --url right?", String::from_utf8_lossy(head))
}

/// Says what an error of the transport means, and what to do.
fn explain(error: ureq::Error, limits: &Limits) -> anyhow::Error {
    let after = |time: Duration| format!("within {:.0} s", time.as_secs_f64());
    match error {
        ureq::Error::Timeout(Timeout::Resolve) => anyhow!("the name was not resolved {}", after(limits.connect)),
        ureq::Error::Timeout(Timeout::Connect) => anyhow!("no connection {}", after(limits.connect)),
        ureq::Error::Timeout(_) => {
            anyhow!("the server sent nothing {}; try again later, or another mirror with --url", after(limits.stall))
        }
        ureq::Error::TooManyRedirects => anyhow!("redirected more than {} times", limits.redirects),
        ureq::Error::HostNotFound => anyhow!("there is no such host; is this machine online?"),
        ureq::Error::Io(error) if error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()) => {
            anyhow::Error::new(error).context("the server cannot be trusted")
        }
        ureq::Error::Io(error) => anyhow::Error::new(error),
        error => anyhow::Error::new(error),
    }
}
