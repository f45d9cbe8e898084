//! Names that come from tables of the program (rules, parts of the sandbox, protocols): borrowed where they are written, owned where
//! they were read from JSON.

use std::borrow::Cow;

/// Such a name.
pub type Name = Cow<'static, str>;
