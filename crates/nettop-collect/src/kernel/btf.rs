//! The types of the running kernel (BTF): where a member of a structure is. Format: Linux, Documentation/bpf/btf.rst.

use std::{collections::HashMap, fs, io, ops::Range};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use nettop_common::sockets::{Field, Offsets};

/// Where the kernel has them.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// `BTF_MAGIC`, in the order of bytes of this machine.
const MAGIC: u16 = 0xeb9f;
/// Kinds of types (enum in linux/btf.h).
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;
/// Structures within structures that are looked into, and names of names that are followed.
const DEEPEST: u32 = 16;
/// The structures that [`Field`]s are in, and the enumerations whose names are shown.
const WANTED: [&str; 9] =
    ["sock", "net", "task_struct", "tcp_sock", "socket", "cred", "file", "inode", "skb_drop_reason"];
/// Bytes of a pointer.
const POINTER: u32 = 8;

/// All types.
pub struct Types {
    bytes: Vec<u8>,
    strings: Range<usize>,
    /// Where each begins, by its number less one.
    starts: Vec<u32>,
    /// The structures and enumerations that are wanted, by name.
    wanted: HashMap<&'static str, u32>,
}

/// A type: its kind, how many members it has, whether members may be bits, and its size or the number of another type.
struct Type {
    start: usize,
    name: u32,
    kind: u32,
    members: usize,
    has_bits: bool,
    size_or_type: u32,
}

/// A member of a structure: where it is, bytes, and the number of its type.
struct Member {
    offset: u32,
    of: u32,
}

impl Types {
    /// Those of the running kernel.
    ///
    /// # Errors
    /// The kernel has none; they are not as documented.
    pub fn of_kernel() -> Result<Self> {
        let bytes = fs::read(VMLINUX).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                anyhow!("the kernel does not tell its types: it was built without CONFIG_DEBUG_INFO_BTF")
            }
            _ => anyhow!("reading {VMLINUX}: {error}"),
        })?;
        Self::parse(bytes, &WANTED).with_context(|| format!("reading {VMLINUX}"))
    }

    /// From bytes; only these structures and enumerations are found by their names, for a kernel has ten thousand.
    ///
    /// # Errors
    /// They are not as documented.
    pub fn parse(bytes: Vec<u8>, wanted: &[&'static str]) -> Result<Self> {
        let word = |at: usize| word(&bytes, at).context("it is cut off");
        ensure!(word(0)? as u16 == MAGIC, "it has another magic number");
        let header = word(4)? as usize;
        let section = |at: usize| -> Result<Range<usize>> {
            let first = header.checked_add(word(at)? as usize).context("a section is beyond everything")?;
            let end = first.checked_add(word(at + 4)? as usize).context("a section is beyond everything")?;
            ensure!(end <= bytes.len(), "it is cut off");
            Ok(first..end)
        };
        let (types, strings) = (section(8)?, section(16)?);
        let mut all = Self { bytes, strings, starts: Vec::new(), wanted: HashMap::new() };
        let mut at = types.start;
        while at < types.end {
            let one = all.read(at).context("it is cut off")?;
            all.starts.push(at as u32);
            if [STRUCT, ENUM].contains(&one.kind)
                && let Some(name) = all.name(one.name).and_then(|name| wanted.iter().find(|wanted| **wanted == name))
            {
                let number = all.starts.len() as u32;
                all.wanted.entry(name).or_insert(number);
            }
            let more = match one.kind {
                INT | VAR | DECL_TAG => 4,
                ARRAY => 12,
                STRUCT | UNION | DATASEC | ENUM64 => 12 * one.members,
                ENUM | FUNC_PROTO => 8 * one.members,
                0 | 20.. => bail!("it has types of kind {}, which nettop does not know", one.kind),
                _ => 0,
            };
            at += 12 + more;
        }
        Ok(all)
    }

    /// Where the programs find each [`Field`].
    ///
    /// # Errors
    /// Names the first that is not there, or has another size than the programs read.
    pub fn offsets(&self) -> Result<Offsets> {
        let mut offsets = [0; Field::COUNT];
        for (field, offset) in Field::ALL.iter().zip(&mut offsets) {
            let (at, size) =
                self.find(field.label()).with_context(|| format!("the kernel has no {}", field.label()))?;
            ensure!(size == field.size(), "{} has {size} bytes, and not {}", field.label(), field.size());
            *offset = at;
        }
        Ok(offsets)
    }

    /// Where a member is in a structure, and its size, bytes: `sock.__sk_common.skc_family`.
    pub fn find(&self, path: &str) -> Option<(u32, u32)> {
        let (structure, path) = path.split_once('.')?;
        let (mut of, mut offset) = (*self.wanted.get(structure)?, 0);
        for name in path.split('.') {
            let member = self.member(of, name, 0)?;
            offset += member.offset;
            of = member.of;
        }
        Some((offset, self.size(of)?))
    }

    /// The names of an enumeration and their values.
    pub fn enumerators(&self, name: &str) -> Option<impl Iterator<Item = (u32, &str)>> {
        let one = self.resolve(*self.wanted.get(name)?).filter(|one| one.kind == ENUM)?;
        Some((0..one.members).filter_map(move |number| {
            let at = one.start + 12 + 8 * number;
            Some((word(&self.bytes, at + 4)?, self.name(word(&self.bytes, at)?)?))
        }))
    }

    /// The member of that name, also of structures without a name within this one.
    fn member(&self, of: u32, name: &str, depth: u32) -> Option<Member> {
        let structure = self.resolve(of)?;
        if ![STRUCT, UNION].contains(&structure.kind) || depth > DEEPEST {
            return None;
        }
        (0..structure.members).find_map(|number| {
            let at = structure.start + 12 + 12 * number;
            let (its_name, of, bits) = (word(&self.bytes, at)?, word(&self.bytes, at + 4)?, word(&self.bytes, at + 8)?);
            let bits = if structure.has_bits { bits & 0xff_ffff } else { bits };
            let offset = bits / 8;
            match self.name(its_name)? {
                "" => {
                    let inner = self.member(of, name, depth + 1)?;
                    Some(Member { offset: offset + inner.offset, of: inner.of })
                }
                one if one == name && bits % 8 == 0 => Some(Member { offset, of }),
                _ => None,
            }
        })
    }

    /// The size of a type, bytes.
    fn size(&self, of: u32) -> Option<u32> {
        let one = self.resolve(of)?;
        match one.kind {
            INT | STRUCT | UNION | ENUM | ENUM64 => Some(one.size_or_type),
            PTR => Some(POINTER),
            ARRAY => {
                let (element, count) = (word(&self.bytes, one.start + 12)?, word(&self.bytes, one.start + 20)?);
                let element = self.resolve(element).filter(|element| element.kind == INT)?;
                element.size_or_type.checked_mul(count)
            }
            _ => None,
        }
    }

    /// A type that is not another name of one.
    fn resolve(&self, mut of: u32) -> Option<Type> {
        for _ in 0..DEEPEST {
            let one = self.read(*self.starts.get(of.checked_sub(1)? as usize)? as usize)?;
            match one.kind {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => of = one.size_or_type,
                _ => return Some(one),
            }
        }
        None
    }

    fn read(&self, start: usize) -> Option<Type> {
        let info = word(&self.bytes, start + 4)?;
        Some(Type {
            start,
            name: word(&self.bytes, start)?,
            kind: info >> 24 & 0x1f,
            members: (info & 0xffff) as usize,
            has_bits: info >> 31 != 0,
            size_or_type: word(&self.bytes, start + 8)?,
        })
    }

    fn name(&self, at: u32) -> Option<&str> {
        let all = self.bytes.get(self.strings.clone())?.get(at as usize..)?;
        let end = all.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&all[..end]).ok()
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This and larger numbers stand for names, in their order.
    const NAME: u32 = 0xffff_0000;

    /// Types as the kernel writes them: each the words behind the header of a type.
    fn encoded(types: &[(&str, u32, u32, Vec<u32>)], names: &[&str]) -> Vec<u8> {
        let mut strings = vec![0_u8];
        let mut at = |name: &str| {
            if name.is_empty() {
                return 0;
            }
            let at = strings.len() as u32;
            strings.extend(name.bytes().chain([0]));
            at
        };
        let places: HashMap<_, _> = names.iter().map(|name| (*name, at(name))).collect();
        let mut body = Vec::new();
        for (name, info, size, more) in types {
            body.extend([at(name), *info, *size]);
            body.extend(more.iter().map(|word| match word.checked_sub(NAME) {
                Some(name) => places[names[name as usize]],
                None => *word,
            }));
        }
        let mut bytes = Vec::new();
        let header =
            [u32::from(MAGIC) | 1 << 16, 24, 0, 4 * body.len() as u32, 4 * body.len() as u32, strings.len() as u32];
        header.iter().chain(&body).for_each(|word| bytes.extend(word.to_ne_bytes()));
        bytes.extend(strings);
        bytes
    }

    /// `struct inner { int a; union { int b; long c; }; int bit: 3; }`, `struct outer { int *p; inner_t in; int list[3]; }`,
    /// `enum reason { A, B = 7 }`.
    fn example() -> Vec<u8> {
        let kind = |kind: u32, members: u32| kind << 24 | members;
        encoded(
            &[
                ("int", kind(INT, 0), 4, vec![0]),
                ("long", kind(INT, 0), 8, vec![0]),
                ("", kind(UNION, 2), 8, vec![NAME + 1, 1, 0, NAME + 2, 2, 0]),
                ("inner", kind(STRUCT, 3) | 1 << 31, 24, vec![NAME, 1, 0, 0, 3, 64, NAME + 3, 1, 3 << 24 | 129]),
                ("", kind(PTR, 0), 1, vec![]),
                ("inner_t", kind(TYPEDEF, 0), 4, vec![]),
                ("outer", kind(STRUCT, 3), 48, vec![NAME + 4, 5, 0, NAME + 5, 6, 64, NAME + 6, 8, 256]),
                ("", kind(ARRAY, 0), 0, vec![1, 1, 3]),
                ("reason", kind(ENUM, 2), 4, vec![NAME + 7, 0, NAME + 8, 7]),
            ],
            &["a", "b", "c", "bit", "p", "in", "list", "A", "B"],
        )
    }

    #[test]
    fn members_are_found_by_their_path() {
        let types = Types::parse(example(), &["inner", "outer"]).expect("types");
        for (path, expected) in [
            ("inner.a", Some((0, 4))),
            ("inner.b", Some((8, 4))),
            ("outer.p", Some((0, 8))),
            ("outer.list", Some((32, 12))),
            ("outer.in", Some((8, 24))),
            ("outer.in.a", Some((8, 4))),
            ("outer.in.c", Some((16, 8))),
            ("inner.bit", None),
            ("inner.d", None),
            ("outer.p.a", None),
            ("other.a", None),
            ("inner", None),
        ] {
            assert_eq!(types.find(path), expected, "{path}");
        }
        assert!(types.offsets().is_err_and(|error| error.to_string().contains("sock.__sk_common.skc_family")));
    }

    #[test]
    fn names_of_an_enumeration_have_values() {
        let types = Types::parse(example(), &["inner", "reason"]).expect("types");
        let names = |name| types.enumerators(name).map(Iterator::collect::<Vec<_>>);
        for (name, expected) in [("reason", Some(vec![(0, "A"), (7, "B")])), ("inner", None), ("outer", None)] {
            assert_eq!(names(name), expected, "{name}");
        }
    }

    #[test]
    fn cut_off_anywhere_it_is_an_error_or_has_less() {
        let bytes = example();
        for length in 0..bytes.len() {
            if let Ok(types) = Types::parse(bytes[..length].to_vec(), &["inner", "outer", "reason"]) {
                let _ = (types.find("outer.in.c"), types.find("outer.list"));
                let _ = types.enumerators("reason").map(Iterator::count);
            }
        }
    }

    #[test]
    fn this_kernel_has_what_the_programs_read() {
        let Ok(types) = Types::of_kernel() else { return };
        let offsets = types.offsets().expect("each field");
        assert_eq!(offsets[Field::Family as usize], 16);
    }
}
