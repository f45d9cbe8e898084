//! The fields a prompt can edit, as data: what they are called, what they hold now, and the request that changes them.

use nettop_model::{
    request::{FilterChange, Request, Top},
    snapshot::Runtime,
};

/// Something the user can type a value for.
#[derive(Debug)]
pub struct Field {
    /// What the prompt calls it.
    pub label: &'static str,
    /// What may be typed.
    pub hint: &'static str,
    /// Its value now, as it would be typed; empty where there is no restriction.
    pub current: fn(&Runtime) -> String,
    /// The request that sets it, or what is wrong with the text.
    pub request: fn(&str) -> Result<Request, String>,
}

/// There is one of each.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// Destination addresses.
pub static DESTINATION: Field = Field {
    label: "Destination IP",
    hint: "addresses or prefixes, empty: any",
    current: |runtime| match runtime.filter.dst.as_str() {
        // How the classic's protocol writes "any".
        "0.0.0.0" | "::" => String::new(),
        dst => dst.into(),
    },
    request: |text| set(FilterChange { dst: Some(text.into()), ..FilterChange::default() }),
};

/// Destination ports.
pub static PORTS: Field = Field {
    label: "Destination ports",
    hint: "such as 80,443,8000-8100, empty: any",
    current: |runtime| match runtime.filter.port.as_str() {
        "0" => String::new(),
        port => port.into(),
    },
    request: |text| set(FilterChange { port: Some(text.into()), ..FilterChange::default() }),
};

/// Source addresses.
pub static SOURCE: Field = Field {
    label: "Source IP",
    hint: "addresses or prefixes, empty: any",
    current: |runtime| runtime.filter.src.clone(),
    request: |text| set(FilterChange { src: Some(text.into()), ..FilterChange::default() }),
};

/// Protocols.
pub static PROTOCOLS: Field = Field {
    label: "Protocols",
    hint: "such as tcp,udp,icmp, empty: any",
    current: |runtime| runtime.filter.protocols.join(","),
    request: |text| set(FilterChange { proto: Some(text.into()), ..FilterChange::default() }),
};

/// How many sources are shown.
pub static TOP: Field = Field {
    label: "Rows",
    hint: "how many sources to show",
    current: |runtime| runtime.top.to_string(),
    request: |text| {
        let count = text.trim().parse().map_err(|_| format!("rows must be a whole number, not {text:?}"))?;
        Ok(Request::Top(Top { count }))
    },
};

fn set(change: FilterChange) -> Result<Request, String> {
    Ok(Request::Set(change))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nettop_model::snapshot::FilterView;

    #[test]
    fn prompts_begin_with_the_value_in_force() {
        let filter = FilterView {
            dst: "10.0.0.1".into(),
            ports: vec![80, 443],
            port: "80,443".into(),
            iface: "eth0".into(),
            src: "192.0.2.0/24".into(),
            protocols: vec!["TCP".into(), "UDP".into()],
        };
        let runtime = Runtime { filter, top: 20, ..Runtime::default() };
        let current = |field: &Field| (field.current)(&runtime);
        assert_eq!(
            [&DESTINATION, &PORTS, &SOURCE, &PROTOCOLS, &TOP].map(current),
            ["10.0.0.1", "80,443", "192.0.2.0/24", "TCP,UDP", "20"]
        );
    }

    #[test]
    fn any_is_shown_as_empty() {
        let filter = FilterView { dst: "0.0.0.0".into(), port: "0".into(), ..FilterView::default() };
        let runtime = Runtime { filter, ..Runtime::default() };
        assert_eq!([&DESTINATION, &PORTS, &SOURCE, &PROTOCOLS].map(|field| (field.current)(&runtime)), [""; 4]);
    }

    #[test]
    fn rows_must_be_a_number() {
        assert_eq!((TOP.request)(" 30 "), Ok(Request::Top(Top { count: 30 })));
        for text in ["", "many", "1.5"] {
            assert!((TOP.request)(text).unwrap_err().contains("whole number"), "{text}");
        }
    }
}
