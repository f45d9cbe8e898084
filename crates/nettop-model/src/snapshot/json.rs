//! What JSON needs to be told.

use std::{borrow::Cow, fmt, marker::PhantomData, net::IpAddr};

use litemap::LiteMap;
use nettop_common::{Protocol, TrafficClass, counters::SizeBucket};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{IgnoredAny, MapAccess, Visitor},
    ser::SerializeMap as _,
};

use super::{Mac, TcpFlags, names::Name};
use crate::order;

/// Serialises pairs as a map.
pub(crate) fn as_map<K: Serialize, V: Serialize, S: Serializer>(
    pairs: &[(K, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// As a map also where it is empty: by itself it is then a list.
pub(crate) fn litemap_as_map<K: Serialize, S: Serializer>(
    counts: &LiteMap<K, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter())
}

/// Reads such a map; of a key that comes twice, the last value counts.
pub(crate) fn litemap_from_map<'de, K, D>(deserializer: D) -> Result<LiteMap<K, u64>, D::Error>
where
    K: MapKey + Ord,
    D: Deserializer<'de>,
{
    let mut pairs: Vec<(K, u64)> = from_map(deserializer)?;
    order::sort_by(&mut pairs, |(one, _), (other, _)| one.cmp(other));
    pairs.dedup_by(|(later, value), (earlier, kept)| {
        let is_same = later == earlier;
        *kept = if is_same { *value } else { *kept };
        is_same
    });
    Ok(LiteMap::from_sorted_store_unchecked(pairs))
}

/// An enum of counters, whose labels are JSON keys.
pub(crate) trait Label: Copy + 'static {
    const ALL: &'static [Self];

    fn label(&self) -> &'static str;
}

/// What the macro that defines them gives to each.
macro_rules! labels {
    ($($name:ident)+) => {
        $(impl Label for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn label(&self) -> &'static str {
                Self::label(*self)
            }
        })+
    };
}

labels! { Protocol SizeBucket }

impl Label for TrafficClass {
    const ALL: &'static [Self] = Self::ALL;

    fn label(&self) -> &'static str {
        self.json_name()
    }
}

/// Serialises what there is of each as a map from their labels.
pub(crate) fn labelled<K: Label, V: Serialize, S: Serializer>(
    pairs: &[(K, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (key, value) in pairs {
        map.serialize_entry(key.label(), value)?;
    }
    map.end()
}

/// Reads a value of a fixed set; what is not known here is nothing.
pub(crate) fn known<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read<T> {
        Known(T),
        Unknown(IgnoredAny),
    }
    Ok(match Option::<Read<T>>::deserialize(deserializer)? {
        Some(Read::Known(value)) => Some(value),
        Some(Read::Unknown(_)) | None => None,
    })
}

/// Reads a value of a fixed set; what is not known here is the default.
pub(crate) fn known_or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    known(deserializer).map(Option::unwrap_or_default)
}

fn with_label<K: Label>(text: &str) -> Option<K> {
    K::ALL.iter().copied().find(|key| key.label() == text)
}

/// Reads a value that was written as its text.
pub(crate) fn from_text<'de, K: MapKey, D: Deserializer<'de>>(deserializer: D) -> Result<K, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    K::read(&text).ok_or_else(|| unknown(&text))
}

fn unknown<E: serde::de::Error>(text: &str) -> E {
    E::custom(format_args!("{text:?} is not known here"))
}

/// Whatever is a key of a map: all keys of JSON are text.
pub(crate) trait MapKey: Sized {
    fn read(text: &str) -> Option<Self>;
}

/// Those whose text is that of `FromStr`.
macro_rules! keys_of_text {
    ($($name:ty)+) => {
        $(impl MapKey for $name {
            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        })+
    };
}

keys_of_text! { u8 u16 IpAddr Mac TcpFlags }

impl MapKey for Protocol {
    fn read(text: &str) -> Option<Self> {
        with_label(text)
    }
}

impl MapKey for TrafficClass {
    fn read(text: &str) -> Option<Self> {
        with_label(text)
    }
}

impl MapKey for SizeBucket {
    fn read(text: &str) -> Option<Self> {
        with_label(text)
    }
}

impl MapKey for Name {
    fn read(text: &str) -> Option<Self> {
        Some(text.to_string().into())
    }
}

/// Reads a map as pairs, in the order in which they stand there, into whatever is made of pairs.
pub(crate) fn from_map<'de, K, V, C, D>(deserializer: D) -> Result<C, D::Error>
where
    K: MapKey,
    V: Deserialize<'de>,
    C: FromIterator<(K, V)>,
    D: Deserializer<'de>,
{
    struct Pairs<K, V, C>(PhantomData<(K, V, C)>);

    impl<'de, K: MapKey, V: Deserialize<'de>, C: FromIterator<(K, V)>> Visitor<'de> for Pairs<K, V, C> {
        type Value = C;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<C, A::Error> {
            let next = || -> Result<Option<(K, V)>, A::Error> {
                // A newer monitor may have keys that are not known here.
                while let Some(key) = map.next_key::<Cow<str>>()? {
                    match K::read(&key) {
                        Some(key) => return Ok(Some((key, map.next_value::<V>()?))),
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(None)
            };
            std::iter::from_fn({
                let mut next = next;
                move || next().transpose()
            })
            .collect()
        }
    }

    deserializer.deserialize_map(Pairs(PhantomData))
}
