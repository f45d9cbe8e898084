//! The verifier looks at every way through a program, at each start: how many instructions those are does not grow unnoticed.

use nettop_collect::kernel::capacity::Capacity;
use nettop_common::counters::Part;
use nettop_tests::{
    egress::EgressPrograms,
    kernel::{Kernel, VERIFIED},
    skip,
    tracepoints::Tracepoints,
};

/// Kernels differ in which ways they take for the same.
const MOST: u32 = 2;

#[test]
fn the_verifier_is_done_soon() {
    if !skip::privileged() {
        return;
    }
    let mut found = Vec::new();
    let mut beside = EgressPrograms::load(Capacity::MOST).verified();
    beside.extend(Tracepoints::load(Capacity::MOST).verified());
    let one_missing = Part::ALL.iter().map(|part| Part::EVERY & !part.bit());
    for parts in [Part::EVERY, 0].into_iter().chain(one_missing) {
        let kernels = [Kernel::load_parts(parts), Kernel::load_hash(parts, 1)];
        for (program, instructions) in kernels.iter().flat_map(Kernel::verified).chain(beside.iter().copied()) {
            println!("{program}, parts {parts:#x}: {instructions} instructions");
            let figure = VERIFIED.iter().find(|(name, _)| *name == program);
            let (_, figure) = figure.unwrap_or_else(|| panic!("VERIFIED says nothing of {program}"));
            assert!(
                instructions <= MOST * figure,
                "{program}, parts {parts:#x}: the verifier looked at {instructions} instructions, not at {figure} as VERIFIED says"
            );
            found.push(program);
        }
    }
    for (name, _) in VERIFIED {
        assert!(found.contains(&name), "there is no program {name}, of which VERIFIED says something");
    }
}
