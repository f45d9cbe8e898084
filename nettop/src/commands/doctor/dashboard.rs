//! The dashboard in a browser.

use std::{io, net::TcpListener};

use nettop_web::{DEFAULT_ADDRESS, args};

use super::Finding;
use crate::config;

/// Where it would listen.
pub fn address() -> Finding {
    let option = match config::value("web") {
        Ok(option) => option,
        // That is another check's matter.
        Err(_) => return Finding::Unknown("the configuration cannot be read".into()),
    };
    let text = option.map_or(DEFAULT_ADDRESS.into(), |text| text.to_string_lossy().into_owned());
    look_at(&text)
}

fn look_at(text: &str) -> Finding {
    let address = match args::address(text) {
        Ok(address) => address,
        Err(error) => return Finding::failed(&anyhow::Error::msg(error), "web = \"127.0.0.1:9595\""),
    };
    match TcpListener::bind(address) {
        Ok(_) => Finding::good(format!(
            "http://{address} is free: nettop run --web, nettop web, or for the service nettop-web.socket"
        )),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Finding::Unknown(format!("http://{address} is taken: by a dashboard that runs, or by another program"))
        }
        Err(error) => Finding::failed(&error.into(), "choose another address with --web"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_free_taken_or_none() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().unwrap().to_string();
        for (text, part) in [
            ("127.0.0.1:0", "is free"),
            (taken.as_str(), "is taken"),
            ("nowhere", "no address with a port"),
            ("192.0.2.1:9", "choose another"),
        ] {
            let finding = format!("{:?}", look_at(text));
            assert!(finding.contains(part), "{text}: {finding}");
        }
    }
}
