//! The files of the page, which are in the program, compressed by `build.rs`. A row for each; a test holds the folder to it.

use std::io::{self, Read as _};

use flate2::read::GzDecoder;
use hyper::{
    HeaderMap, StatusCode,
    header::{self, HeaderValue},
};
use sha2::{Digest as _, Sha256};

use crate::{
    reply::{self, Reply},
    route,
};

/// A file of the page.
pub struct Asset {
    path: &'static str,
    mime: &'static str,
    /// In the format of gzip (RFC 1952).
    compressed: &'static [u8],
}

/// Defines [`ASSETS`]: path, file, type.
macro_rules! assets {
    ($($path:literal $file:literal $mime:literal;)+) => {
        const ASSETS: &[Asset] = &[$(Asset {
            path: $path,
            mime: $mime,
            compressed: include_bytes!(concat!(env!("OUT_DIR"), "/", $file, ".gz")),
        },)+];
        #[cfg(test)]
        const FILES: &[&str] = &[$($file),+];
    };
}

assets! {
    "/" "index.html" "text/html; charset=utf-8";
    "/style.css" "style.css" "text/css; charset=utf-8";
    "/app.js" "app.js" "text/javascript; charset=utf-8";
    "/act.js" "act.js" "text/javascript; charset=utf-8";
    "/chart.js" "chart.js" "text/javascript; charset=utf-8";
    "/dom.js" "dom.js" "text/javascript; charset=utf-8";
    "/link.js" "link.js" "text/javascript; charset=utf-8";
    "/map.js" "map.js" "text/javascript; charset=utf-8";
    "/state.js" "state.js" "text/javascript; charset=utf-8";
    "/table.js" "table.js" "text/javascript; charset=utf-8";
    "/uplot.js" "uplot.js" "text/javascript; charset=utf-8";
    "/uplot.css" "uplot.css" "text/css; charset=utf-8";
    "/world.json" "world.json" "application/json";
    "/icon.svg" "icon.svg" "image/svg+xml";
}

/// The file at a path; the page itself only for who reads pages.
pub fn find(path: &str, headers: &HeaderMap) -> Option<&'static Asset> {
    let path = if path == "/favicon.ico" { "/icon.svg" } else { path };
    let reads_pages = || {
        let mut accepted = headers.get_all(header::ACCEPT).iter();
        accepted.any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")))
    };
    ASSETS.iter().find(|asset| asset.path == path).filter(|asset| !asset.is_page() || reads_pages())
}

impl Asset {
    /// Whether it is the page, to which others may link.
    pub fn is_page(&self) -> bool {
        self.path == "/"
    }

    /// It, unless the browser has it; compressed for who takes that.
    pub fn reply(&self, headers: &HeaderMap) -> Reply {
        let tag = self.tag();
        let has_it = headers.get(header::IF_NONE_MATCH).is_some_and(|value| *value == tag);
        let gzip = takes_gzip(headers);
        let mut reply = match (has_it, gzip) {
            (true, _) => reply::bytes(StatusCode::NOT_MODIFIED, self.mime, &b""[..]),
            (false, true) => reply::bytes(StatusCode::OK, self.mime, self.compressed),
            (false, false) => match self.content() {
                Ok(content) => reply::bytes(StatusCode::OK, self.mime, content),
                Err(error) => return reply::refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            },
        };
        if gzip && !has_it {
            reply.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        reply.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        route::revalidated(&mut reply, tag);
        reply
    }

    /// It, as it is in the folder.
    fn content(&self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        GzDecoder::new(self.compressed).read_to_end(&mut content)?;
        Ok(content)
    }

    fn tag(&self) -> HeaderValue {
        let digest = Sha256::digest(self.compressed);
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        // Hexadecimal digits in quotes are a value.
        HeaderValue::try_from(format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

/// Whether an answer may be compressed (RFC 9110, 12.5.3): by name, and not with a weight of 0.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()).unwrap_or(1.0);
        name.trim().eq_ignore_ascii_case("gzip") && weight > 0.0
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_file_has_its_row_and_loads_nothing_from_elsewhere() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        let found: BTreeSet<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let known: BTreeSet<_> = FILES.iter().map(ToString::to_string).collect();
        assert_eq!(found, known);
        for (asset, file) in ASSETS.iter().zip(FILES) {
            let content = asset.content().unwrap();
            assert_eq!(content, fs::read(folder.join(file)).unwrap(), "{file}");
            let text = String::from_utf8_lossy(&content);
            for foreign in ["src=\"http", "href=\"http", "url(http", "import(\"http", "from \"http", "@import", "eval("]
            {
                assert!(!text.contains(foreign), "{}: {foreign}", asset.path);
            }
        }
    }
    #[test]
    fn compressed_is_what_may_be() {
        for (accepted, expected) in [
            (&[][..], false),
            (&["gzip"], true),
            (&["gzip, deflate, br, zstd"], true),
            (&["br;q=1.0, GZIP ; q=0.5"], true),
            (&["br", "gzip"], true),
            (&["gzip;q=0"], false),
            (&["gzip;q=0.000, br"], false),
            (&["identity"], false),
            (&["x-gzip-not"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in accepted {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(takes_gzip(&headers), expected, "{accepted:?}");
            let reply = ASSETS[0].reply(&headers);
            assert_eq!(reply.headers().contains_key(header::CONTENT_ENCODING), expected);
        }
    }
}
