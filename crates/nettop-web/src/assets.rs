//! The files of the page, which are in the program. A row for each; a test holds the folder to it.

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
    bytes: &'static [u8],
}

/// Defines [`ASSETS`]: path, file, type.
macro_rules! assets {
    ($($path:literal $file:literal $mime:literal;)+) => {
        const ASSETS: &[Asset] = &[$(Asset {
            path: $path,
            mime: $mime,
            bytes: include_bytes!(concat!("../assets/", $file)),
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

    /// It, unless the browser has it.
    pub fn reply(&self, headers: &HeaderMap) -> Reply {
        let tag = self.tag();
        let has_it = headers.get(header::IF_NONE_MATCH).is_some_and(|value| *value == tag);
        let mut reply = match has_it {
            true => reply::bytes(StatusCode::NOT_MODIFIED, self.mime, &b""[..]),
            false => reply::bytes(StatusCode::OK, self.mime, self.bytes),
        };
        route::revalidated(&mut reply, tag);
        reply
    }

    fn tag(&self) -> HeaderValue {
        let digest = Sha256::digest(self.bytes);
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        // Hexadecimal digits in quotes are a value.
        HeaderValue::try_from(format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
    }
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
        for asset in ASSETS {
            let text = String::from_utf8_lossy(asset.bytes);
            for foreign in ["src=\"http", "href=\"http", "url(http", "import(\"http", "from \"http", "@import", "eval("]
            {
                assert!(!text.contains(foreign), "{}: {foreign}", asset.path);
            }
        }
    }
}
