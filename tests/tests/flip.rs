//! A run of a program that is late, by a quarter of a second, is waited for before a bank is emptied.

use std::{os::fd::AsFd as _, thread, time::Duration};

use aya_obj::generated::bpf_map_type;
use nettop_collect::kernel::grace::Grace;
use nettop_tests::{
    bpf::{self, add, call, copy, exit, load_map, map::Map, may_skip, mov, set32, skip as jump, skip_unless, store64},
    frames::{Spec, Transport},
    skip,
};

/// `bpf_map_lookup_elem` (linux/bpf.h).
const LOOKUP: i32 = 1;

/// Writes 1, goes round and round, writes 2.
fn late(state: &Map) -> Vec<bpf::Instruction> {
    let mut program = vec![set32(10, -4, 0)];
    program.extend(load_map(1, state.as_fd()));
    program.extend([copy(2, 10), add(2, -4), call(LOOKUP), skip_unless(0, 0, 1), exit()]);
    program.extend([
        mov(1, 1),
        store64(0, 0, 1),
        may_skip(1),
        jump(-2),
        mov(1, 2),
        store64(0, 0, 1),
        mov(0, 2),
        exit(),
    ]);
    program
}

#[test]
fn a_run_that_is_late_is_waited_for() {
    if !skip::privileged() {
        return;
    }
    let state = Map::new(bpf_map_type::BPF_MAP_TYPE_ARRAY, 4, 8, 1).expect("a map");
    let at = || u64::from_ne_bytes(state.get(&0_u32).expect("its state").try_into().expect("a word"));
    let program = match bpf::load_xdp(&late(&state)) {
        Ok(program) => program,
        Err(error) => return skip::report(&format!("this kernel has no program that may be late: {error}")),
    };
    let frame = Spec::v4(Transport::Udp(40_000, 53)).frame();
    let mut grace = Grace::default();
    let mut meet = || {
        state.set(&0_u32, &0_u64.to_ne_bytes()).expect("its state");
        thread::scope(|scope| {
            let run = scope.spawn(|| bpf::run(program.as_fd(), &frame, 1));
            while at() == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            let met = at() == 1;
            grace.wait();
            assert_eq!(at(), 2, "it is still running");
            run.join().expect("it runs").expect("it runs");
            met
        })
    };
    assert!((0..10).any(|_| meet()), "it was always over before it could be looked at");
}
