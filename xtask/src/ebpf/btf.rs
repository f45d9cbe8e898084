//! Puts the forward declarations in an object's type information (BTF) in the order of their names.
//!
//! LLVM declares each structure that only a pointer within another structure leads to, and does so in the order of
//! addresses in its own memory (`FixupDerivedTypes` in `BTFDebug.cpp`), which changes with the lengths of paths. These
//! declarations are the last types of an object, and their names its last strings, so both can be put in order in place.
//!
//! The format: <https://docs.kernel.org/bpf/btf.html>.

use std::{collections::BTreeMap, ops::Range};

use anyhow::{Context as _, Result, bail, ensure};
use object::{Object as _, ObjectSection as _};

const MAGIC: u32 = 0xEB9F;
/// Bytes with which every type begins: the place of its name; its kind, and how many members follow; its size, or the
/// number of the type that it is made from.
const COMMON: usize = 12;
const DECLARATION: u32 = 7;
/// The kinds that are made from another type: pointer, typedef, volatile, const, restrict, type tag.
const MADE_FROM_ANOTHER: [u32; 6] = [2, 8, 9, 10, 11, 18];

/// A type: where it stands in the section, its number, which is counted from 1, and its kind.
struct Type {
    at: usize,
    id: u32,
    kind: u32,
}

/// Orders the declarations of an object file.
pub fn order_declarations(object: &mut [u8]) -> Result<()> {
    let file = object::File::parse(&*object).context("the compiled object is no ELF file")?;
    let (start, size) = file.section_by_name(".BTF").and_then(|it| it.file_range()).context("there is no BTF")?;
    let range = usize::try_from(start)?..usize::try_from(start + size)?;
    order(object.get_mut(range).context("the section .BTF lies outside the object")?)
        .context("the types of the compiled object are not as expected")
}

fn order(btf: &mut [u8]) -> Result<()> {
    ensure!(word(btf, 0)? & 0xFFFF == MAGIC, "no BTF in this machine's order of bytes");
    let (types, strings) = (part(btf, 8)?, part(btf, 16)?);
    let types = read(btf, types)?;
    let declarations: Vec<&Type> = types.iter().filter(|found| found.kind == DECLARATION).collect();

    // By name: the number and the second word of each.
    let mut by_name = BTreeMap::new();
    for declaration in &declarations {
        let name = text(btf, &strings, word(btf, declaration.at)?)?.to_vec();
        let before = by_name.insert(name, (declaration.id, word(btf, declaration.at + 4)?));
        ensure!(before.is_none(), "two declarations of one name");
    }
    let mut last_of_others = 0;
    for other in types.iter().filter(|other| other.kind != DECLARATION) {
        last_of_others = last_of_others.max(word(btf, other.at)?);
    }
    order_strings(btf, strings.start + last_of_others as usize..strings.end, by_name.keys())?;

    let mut renumbered = BTreeMap::new();
    for (place, (name, (old_id, kind))) in declarations.iter().zip(&by_name) {
        renumbered.insert(*old_id, place.id);
        put(btf, place.at, offset_of(btf, &strings, name)?)?;
        put(btf, place.at + 4, *kind)?;
    }
    for found in types.iter().filter(|found| MADE_FROM_ANOTHER.contains(&found.kind)) {
        if let Some(id) = renumbered.get(&word(btf, found.at + 8)?) {
            put(btf, found.at + 8, *id)?;
        }
    }
    Ok(())
}

/// Orders those of `names`, which are sorted, that end `part` of the strings. Its first string is the name of something
/// else. A name that stands before is there whatever the order of the declarations.
fn order_strings<'a>(btf: &mut [u8], part: Range<usize>, names: impl Iterator<Item = &'a Vec<u8>>) -> Result<()> {
    let strings = btf.get_mut(part).context("a name outside the strings")?;
    let mut others: Vec<&[u8]> = strings.split_inclusive(|byte| *byte == 0).collect();
    let names: Vec<Vec<u8>> = names.map(|name| [name, b"\0".as_slice()].concat()).collect();
    let mut last = Vec::new();
    while others.len() > 1
        && let Some(name) = others.pop_if(|string| names.iter().any(|name| name == string))
    {
        last.push(name);
    }
    last.sort_unstable();
    let ordered = [others.concat(), last.concat()].concat();
    strings.copy_from_slice(&ordered);
    Ok(())
}

/// Where a part of the section lies; `at`: where the header says so.
fn part(btf: &[u8], at: usize) -> Result<Range<usize>> {
    let start = word(btf, 4)? as usize + word(btf, at)? as usize;
    Ok(start..start + word(btf, at + 4)? as usize)
}

/// All types. What follows the common part depends on the kind.
fn read(btf: &[u8], part: Range<usize>) -> Result<Vec<Type>> {
    let mut types = Vec::new();
    let mut at = part.start;
    for id in 1.. {
        if at == part.end {
            break;
        }
        let second = word(btf, at + 4)?;
        let (kind, members) = (second >> 24 & 31, (second & 0xFFFF) as usize);
        types.push(Type { at, id, kind });
        at += COMMON
            + match kind {
                2 | 7..=12 | 16 | 18 => 0,
                1 | 14 | 17 => 4,
                3 => 12,
                6 | 13 => 8 * members,
                4 | 5 | 15 | 19 => 12 * members,
                other => bail!("a type of the unknown kind {other}"),
            };
    }
    Ok(types)
}

fn text<'a>(btf: &'a [u8], strings: &Range<usize>, offset: u32) -> Result<&'a [u8]> {
    let rest = btf.get(strings.start + offset as usize..strings.end).context("a name outside the strings")?;
    rest.split(|byte| *byte == 0).next().context("a name without an end")
}

fn offset_of(btf: &[u8], strings: &Range<usize>, name: &[u8]) -> Result<u32> {
    let whole = [b"\0", name, b"\0"].concat();
    let all = btf.get(strings.clone()).context("no strings")?;
    let before = all.windows(whole.len()).position(|window| window == whole).context("a name that is gone")?;
    Ok(u32::try_from(before + 1)?)
}

fn word(btf: &[u8], at: usize) -> Result<u32> {
    let bytes = btf.get(at..at + 4).context("it ends in the middle of a type")?;
    Ok(u32::from_le_bytes(bytes.try_into()?))
}

fn put(btf: &mut [u8], at: usize, value: u32) -> Result<()> {
    btf.get_mut(at..at + 4).context("it ends in the middle of a type")?.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pointer to each structure of `order`, in the order of the names, then their declarations in the order given.
    fn object_with(order: &[&str]) -> Vec<u8> {
        let mut names = order.to_vec();
        names.sort_unstable();
        // "shared" is also the name of a typedef, so it is not among the last strings.
        let mut strings = b"\0shared\0".to_vec();
        let mut words = Vec::new();
        for name in &names {
            let place = order.iter().position(|other| other == name).unwrap();
            words.extend([0, 2 << 24, u32::try_from(names.len() + 2 + place).unwrap()]);
        }
        words.extend([1, 8 << 24, 1]);
        for name in order {
            let offset = if *name == "shared" { 1 } else { strings.len() };
            words.extend([u32::try_from(offset).unwrap(), DECLARATION << 24, 0]);
            if offset != 1 {
                strings.extend(name.bytes().chain([0]));
            }
        }
        let types = u32::try_from(words.len() * 4).unwrap();
        let header = [MAGIC | 1 << 16, 24, 0, types, types, u32::try_from(strings.len()).unwrap()];
        header.into_iter().chain(words).flat_map(u32::to_le_bytes).chain(strings).collect()
    }

    #[test]
    fn whatever_the_order_of_declarations_one_object_comes_of_it() {
        let mut wanted = object_with(&["Bank", "Cpu", "Layout", "shared"]);
        let sorted = wanted.clone();
        order(&mut wanted).unwrap();
        assert_eq!(wanted, sorted, "what is in order stays");
        for other in [
            ["Layout", "Bank", "Cpu", "shared"],
            ["shared", "Cpu", "Layout", "Bank"],
            ["Cpu", "shared", "Bank", "Layout"],
        ] {
            let mut object = object_with(&other);
            assert_ne!(object, wanted);
            order(&mut object).unwrap();
            assert_eq!(object, wanted, "{other:?}");
        }
    }

    #[test]
    fn damaged_types_are_an_error() {
        let whole = object_with(&["Cpu", "Bank"]);
        for length in 0..whole.len() {
            assert!(order(&mut whole[..length].to_vec()).is_err(), "cut to {length} bytes");
        }
        let mut unknown = whole;
        unknown[24 + 7] = 30;
        assert!(order(&mut unknown).is_err());
    }
}
