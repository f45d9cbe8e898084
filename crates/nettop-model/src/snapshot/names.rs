//! Names that come from tables of the program (rules, parts of the sandbox, protocols), as they are read back from JSON.
//!
//! They are `&'static str` everywhere, which no text that was just read is. Each is therefore kept for good the first time it is
//! met; what a monitor can send that is not what it says it is, is bounded.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Deserializer};

/// Such a name. (An alias: serde takes a reference that it sees for one into what it reads.)
pub type Name = &'static str;

/// So many of them are kept; this program has a fifth of it.
const MOST: usize = 256;
/// Bytes of one.
const LONGEST: usize = 256;
/// What stands for a further one.
const FURTHER: Name = "?";

/// Those that were met.
static MET: Mutex<BTreeSet<Name>> = Mutex::new(BTreeSet::new());

/// The name with this text.
pub(crate) fn name_of(text: &str) -> Name {
    let mut met = MET.lock().unwrap_or_else(PoisonError::into_inner);
    match met.get(text) {
        Some(name) => name,
        None if met.len() >= MOST || text.len() > LONGEST => FURTHER,
        None => {
            let name = Box::leak(text.into());
            met.insert(name);
            name
        }
    }
}

/// Reads one.
pub(crate) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    Cow::<str>::deserialize(deserializer).map(|text| name_of(&text))
}

/// Reads one that may be missing.
pub(crate) fn maybe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Name>, D::Error> {
    Ok(Option::<Cow<str>>::deserialize(deserializer)?.map(|text| name_of(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_no_flood_of_them_is() {
        assert!(std::ptr::eq(name_of("high-pps"), name_of(&String::from("high-pps"))));
        assert_eq!(name_of(&"x".repeat(LONGEST + 1)), FURTHER);
        // Not all there is room for: other tests of this process read names, too.
        assert!(MET.lock().unwrap().len() < MOST / 2);
    }
}
