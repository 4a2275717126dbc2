//! AES in counter mode, with the first two rounds shared between blocks.
//!
//! The counters of a group differ only in their last byte. After the first round their blocks
//! differ
//! in the four bytes of one column, so SubBytes of sixteen blocks takes one vector; in the second
//! round SubBytes of four blocks takes one vector. The equal parts are computed once for 256
//! blocks.

use super::aes::{Aes, BLOCK, WIDE};
use super::aes_tables::{Table, step};
use super::simd::*;
use crate::fixed::Fixed;

/// Blocks that share the first two rounds in one run: as many as a vector has bytes.
const GROUP: usize = 16;
/// The last byte of the counter's block.
const LAST: usize = 15;
/// An index for which a swizzle gives 0.
const NOTHING: u8 = 0x80;

/// Encrypts or decrypts; the counter advances by whole blocks (RFC 4344 §4).
pub fn ctr(aes: &Aes, counter: &mut u128, mut data: &mut [u8]) {
    if data.len() >= GROUP * BLOCK {
        data = ctr_groups(aes, counter, data);
    }
    let (chunks, rest) = data.as_chunks_mut::<{ WIDE * BLOCK }>();
    for chunk in chunks {
        xor_chunk(aes.key_stream(*counter), chunk);
        *counter = counter.wrapping_add(WIDE as u128);
    }
    if !rest.is_empty() {
        xor_some(&aes.key_stream(*counter), rest);
        *counter = counter.wrapping_add(rest.len().div_ceil(BLOCK) as u128);
    }
}

/// Handles whole groups and returns the data that remains.
fn ctr_groups<'a>(aes: &Aes, counter: &mut u128, mut data: &'a mut [u8]) -> &'a mut [u8] {
    let mut shared = Shared::new(aes, *counter);
    while data.len() >= GROUP * BLOCK {
        if !shared.fits(*counter) {
            shared = Shared::new(aes, *counter);
        }
        if !shared.fits(*counter) {
            // The last byte overflows within the next sixteen blocks.
            let (chunk, rest) = data.split_first_chunk_mut().expect("eight blocks");
            xor_chunk(aes.key_stream(*counter), chunk);
            *counter = counter.wrapping_add(WIDE as u128);
            data = rest;
            continue;
        }
        let (group, rest) = data.split_at_mut(GROUP * BLOCK);
        shared.states(aes, *counter, |half, states| {
            let chunk = group[half * WIDE * BLOCK..].first_chunk_mut().expect("eight blocks");
            xor_chunk(aes.rounds_from(3, states), chunk);
        });
        *counter = counter.wrapping_add(GROUP as u128);
        data = rest;
    }
    data
}

#[inline(always)]
fn xor_chunk(stream: [v128; WIDE], chunk: &mut [u8; WIDE * BLOCK]) {
    for (at, key) in stream.into_iter().enumerate() {
        xor_at(chunk, BLOCK * at, key);
    }
}

/// XORs text that is shorter than the key stream.
pub fn xor_some(stream: &[v128], text: &mut [u8]) {
    let mut blocks = text.chunks_exact_mut(BLOCK);
    let mut stream = stream.iter();
    for (block, key) in blocks.by_ref().zip(stream.by_ref()) {
        xor_at(block, 0, *key);
    }
    let mut last = [0; BLOCK];
    stream.next().into_iter().for_each(|key| store(&mut last, 0, *key));
    blocks.into_remainder().iter_mut().zip(last).for_each(|(byte, key)| *byte ^= key);
}

/// The positions to which MixColumns adds a byte of the state, with `owed` pending ShiftRows: its
/// double to its own position, itself and its double one row up, and itself to the other two rows.
struct Spread {
    own: usize,
    up: usize,
    two_up: usize,
    down: usize,
}

const fn spread(byte: usize, owed: usize) -> Spread {
    let up = taken_by(step(1, owed), byte);
    Spread {
        own: byte,
        up,
        two_up: taken_by(step(1, owed), up),
        down: taken_by(step(3, owed), byte),
    }
}

/// The position whose index in `table` is `byte`.
const fn taken_by(table: Table, byte: usize) -> usize {
    let mut at = 0;
    while table[at] as usize != byte {
        at += 1;
    }
    at
}

const FIRST: Spread = spread(LAST, 1);
/// The bytes that differ after the first round.
const CHANGED: [usize; 4] = [FIRST.own, FIRST.up, FIRST.two_up, FIRST.down];

/// For four blocks, the values of their changed bytes: `once` or `twice` the S-box's output.
static GATHER: Fixed<[Table; 2]> =
    Fixed::new([gather([false, true, true, true]), gather([true, true, false, false])]);

const fn gather(wanted: [bool; 4]) -> Table {
    let mut table = [NOTHING; 16];
    let mut at = 0;
    while at < 16 {
        if wanted[at % 4] {
            table[at] = at as u8 / 4;
        }
        at += 1;
    }
    table
}

/// For one block out of four, the positions of its changed bytes in the second round.
const fn scatter(block: usize, once: bool) -> Table {
    let mut table = [NOTHING; 16];
    let mut at = 0;
    while at < 4 {
        let spread = spread(CHANGED[at], 2);
        let byte = (4 * block + at) as u8;
        table[spread.up] = byte;
        if once {
            table[spread.two_up] = byte;
            table[spread.down] = byte;
        } else {
            table[spread.own] = byte;
        }
        at += 1;
    }
    table
}

/// All ones except for some bytes.
const fn without(bytes: &[usize]) -> Table {
    let mut table = [0xff; 16];
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at]] = 0;
        at += 1;
    }
    table
}

static SCATTER: Fixed<[[Table; 2]; 4]> = Fixed::new([
    [scatter(0, true), scatter(0, false)],
    [scatter(1, true), scatter(1, false)],
    [scatter(2, true), scatter(2, false)],
    [scatter(3, true), scatter(3, false)],
]);

/// The part of the first two rounds that 256 counters share.
struct Shared {
    /// The counter without its last byte.
    upper: u128,
    /// The changed bytes after the first round, four times, without the last byte's contribution.
    changed: v128,
    /// The state after the second round, without the changed bytes' contribution.
    second: v128,
}

impl Shared {
    fn new(aes: &Aes, counter: u128) -> Self {
        let block = load(&counter.to_be_bytes(), 0);
        let mask = |bytes: &[usize]| load(&without(bytes), 0);
        let first = aes.round(1, aes.enter(block), mask(&[LAST]));
        let second = aes.round(2, first, mask(&CHANGED));
        let changed: Table = std::array::from_fn(|at| CHANGED[at % 4] as u8);
        Shared { upper: counter >> 8, changed: swizzle(first, load(&changed, 0)), second }
    }

    /// Whether sixteen counters from this one on share this part.
    #[inline(always)]
    fn fits(&self, counter: u128) -> bool {
        self.upper == counter >> 8 && counter as u8 <= u8::MAX - GROUP as u8 + 1
    }

    /// Sixteen states after the second round, eight at a time.
    #[inline(always)]
    fn states(&self, aes: &Aes, counter: u128, mut each: impl FnMut(usize, [v128; WIDE])) {
        let ramp = u8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let lasts = i8x16_add(u8x16_splat(counter as u8), ramp);
        let (once, twice) = aes.substitute(aes.enter_last(lasts));
        // SAFETY: they are only read here.
        let ([gather_once, gather_twice], scatter) = unsafe { (&*GATHER.hold(), &*SCATTER.hold()) };
        for half in 0..2 {
            let mut states = [self.second; WIDE];
            for (quarter, states) in states.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let block = u8x16_splat((8 * half + 4 * quarter) as u8);
                let from_once = swizzle(once, i8x16_add(load(gather_once, 0), block));
                let from_twice = swizzle(twice, i8x16_add(load(gather_twice, 0), block));
                let changed = v128_xor(self.changed, v128_xor(from_once, from_twice));
                let (once, twice) = aes.substitute(changed);
                for (state, [for_once, for_twice]) in states.iter_mut().zip(scatter) {
                    let added = swizzle(once, load(for_once, 0));
                    *state = v128_xor(*state, v128_xor(added, swizzle(twice, load(for_twice, 0))));
                }
            }
            each(half, states);
        }
    }
}
