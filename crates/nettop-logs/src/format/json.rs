//! Lines that are JSON objects: which paths in them are which fields.

use std::{borrow::Cow, fmt};

use anyhow::{Result, bail, ensure};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fields::{Fields, Miss, Variable, variable};

/// How deep a path goes.
const DEEPEST: usize = 8;

/// A tree of keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Json {
    root: Node,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    /// What stands here.
    variable: Option<Variable>,
    inner: Vec<(Box<str>, Node)>,
}

impl Json {
    /// Of `client=request.remote_ip,status=status,…`; a key with a point in it has a `\` before that. Of several paths of one field the first holds that is there.
    ///
    /// # Errors
    /// A field that there is not, or no address.
    pub fn parse(text: &str) -> Result<Self> {
        let mut json = Self::default();
        let mut has_address = false;
        for pair in text.split(',') {
            let Some((name, path)) = pair.split_once('=') else {
                bail!("{pair:?} is not FIELD=PATH, such as client=request.remote_ip")
            };
            let Some(variable) = variable(name.trim()) else {
                bail!(
                    "there is no field {:?}: client, peer, forwarded, time, request, method, path, query, status, bytes and agent are there",
                    name.trim()
                )
            };
            has_address |= matches!(variable, Variable::Client | Variable::Peer);
            let keys = keys(path.trim());
            ensure!(keys.len() <= DEEPEST, "{path:?} is deeper than {DEEPEST} keys");
            json.insert(&keys, variable);
        }
        ensure!(has_address, "{text:?} has no address (client=PATH), so that its lines are nobody's");
        Ok(json)
    }

    fn insert(&mut self, keys: &[String], variable: Variable) {
        let mut node = &mut self.root;
        for key in keys {
            let at = node.inner.iter().position(|(known, _)| **known == **key).unwrap_or_else(|| {
                node.inner.push((key.as_str().into(), Node::default()));
                node.inner.len() - 1
            });
            node = &mut node.inner[at].1;
        }
        node.variable = Some(variable);
    }

    /// Reads a line.
    ///
    /// # Errors
    /// It is no JSON object, or has something else where a text or a number belongs.
    pub fn read<'a>(&self, line: &'a str) -> Result<Fields<'a>, Miss> {
        let first = line.trim_start().bytes().next();
        if !matches!(first, Some(b'{' | b'[')) {
            return Err(Miss::Other);
        }
        let mut fields = Fields::default();
        let mut reader = serde_json::Deserializer::from_str(line);
        let seed = Seed { node: &self.root, fields: &mut fields };
        seed.deserialize(&mut reader).map_err(|_| Miss::Malformed)?;
        reader.end().map_err(|_| Miss::Malformed)?;
        Ok(fields)
    }
}

fn keys(path: &str) -> Vec<String> {
    let mut keys = vec![String::new()];
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match character {
            '.' => keys.push(String::new()),
            '\\' => keys.last_mut().into_iter().for_each(|key| key.extend(characters.next())),
            other => keys.last_mut().into_iter().for_each(|key| key.push(other)),
        }
    }
    keys
}

/// Reads what is below a node.
struct Seed<'n, 'f, 'a> {
    node: &'n Node,
    fields: &'f mut Fields<'a>,
}

impl<'a> DeserializeSeed<'a> for Seed<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl Seed<'_, '_, '_> {
    fn number<E: serde::de::Error>(self, number: impl fmt::Display) -> Result<(), E> {
        match self.node.variable {
            Some(Variable::Client | Variable::Peer | Variable::Forwarded) => Err(E::custom("an address is no number")),
            Some(variable) => {
                self.fields.set(variable, Cow::Owned(number.to_string()));
                Ok(())
            }
            None => Err(E::custom("an object is expected")),
        }
    }
}

impl<'a> Visitor<'a> for Seed<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the format says")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        if self.node.inner.is_empty() {
            return Err(M::Error::custom("a text or a number is expected"));
        }
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match self.node.inner.iter().find(|(known, _)| **known == *key) {
                Some((_, node)) => map.next_value_seed(Seed { node, fields: self.fields })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    /// The first of a list is it.
    fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<(), S::Error> {
        let Self { node, fields } = self;
        if node.variable.is_none() {
            return Err(S::Error::custom("an object is expected"));
        }
        if list.next_element_seed(Seed { node, fields })?.is_some() {
            while list.next_element::<IgnoredAny>()?.is_some() {}
        }
        Ok(())
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'a str) -> Result<(), E> {
        match self.node.variable {
            Some(variable) => {
                self.fields.set(variable, Cow::Borrowed(text));
                Ok(())
            }
            None => Err(E::custom("an object is expected")),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        match self.node.variable {
            Some(variable) => {
                self.fields.set(variable, Cow::Owned(text.into()));
                Ok(())
            }
            None => Err(E::custom("an object is expected")),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.number(number)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.number(number)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.number(format_args!("{number:.6}"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Err(E::custom("a text or a number is expected"))
    }
}
