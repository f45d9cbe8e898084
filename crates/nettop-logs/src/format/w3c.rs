//! The extended log file format of W3C, as IIS writes it: a line of the file says which fields there are.

use std::borrow::Cow;

use super::fields::{Fields, Miss, Variable};

/// Which fields are which.
const NAMES: [(&str, Variable); 9] = [
    ("date", Variable::Date),
    ("time", Variable::Time),
    ("c-ip", Variable::Peer),
    ("cs-method", Variable::Method),
    ("cs-uri-stem", Variable::Target),
    ("cs-uri-query", Variable::Query),
    ("sc-status", Variable::Status),
    ("sc-bytes", Variable::Bytes),
    ("cs(User-Agent)", Variable::Agent),
];
const FIELDS: &str = "#Fields:";
/// Directives of the format.
const DIRECTIVES: [&str; 7] = [FIELDS, "#Version:", "#Software:", "#Date:", "#Start-Date:", "#End-Date:", "#Remark:"];
const MOST_FIELDS: usize = 64;

/// Which fields the file has; none until it says so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct W3c {
    fields: Vec<Variable>,
}

impl W3c {
    /// Reads a line.
    ///
    /// # Errors
    /// It has another number of fields, or none were told.
    pub fn read<'a>(&mut self, line: &'a str) -> Result<Fields<'a>, Miss> {
        if DIRECTIVES.iter().any(|directive| line.starts_with(directive)) {
            if let Some(names) = line.strip_prefix(FIELDS) {
                let of =
                    |name: &str| NAMES.iter().find(|(known, _)| *known == name).map_or(Variable::Skip, |(_, is)| *is);
                self.fields = names.split_ascii_whitespace().take(MOST_FIELDS).map(of).collect();
            }
            return Ok(Fields::remark());
        }
        if !self.fields.contains(&Variable::Peer) {
            return Err(Miss::Other);
        }
        // CloudFront has tabs.
        let mut values = line.split(if line.contains('\t') { '\t' } else { ' ' });
        let mut fields = Fields::default();
        for variable in &self.fields {
            let value = values.next().ok_or(Miss::Other)?;
            match variable {
                Variable::Skip => {}
                // Blanks are written as `+`.
                Variable::Agent => fields.set(*variable, Cow::Owned(value.replace('+', " "))),
                _ => fields.set(*variable, Cow::Borrowed(value)),
            }
        }
        if values.next().is_some() { Err(Miss::Other) } else { Ok(fields) }
    }
}
