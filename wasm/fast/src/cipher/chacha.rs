//! ChaCha20, four blocks at a time: each vector holds one word of the state of all four.

use super::simd::*;

/// Bytes of key stream in one run.
pub const CHUNK: usize = 256;
pub const BLOCK: usize = 64;

const CONSTANTS: [u32; 4] = [
    u32::from_le_bytes(*b"expa"),
    u32::from_le_bytes(*b"nd 3"),
    u32::from_le_bytes(*b"2-by"),
    u32::from_le_bytes(*b"te k"),
];

/// Rotations by whole bytes are one swizzle, if that is one instruction. The masks are read from
/// memory, since constants would be rebuilt at each use.
#[derive(Clone, Copy)]
pub struct Masks {
    by_16: v128,
    by_8: v128,
}

impl Masks {
    pub fn new() -> Self {
        Masks {
            by_16: u8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13),
            by_8: u8x16(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14),
        }
    }
}

/// Words 0 to 15 of four blocks.
pub type State = [v128; 16];

/// The state of four blocks, one key for each lane; counters and nonces are still zero.
pub fn state(keys: [&[u8]; 4]) -> State {
    let word = |lane: usize, at: usize| {
        u32::from_le_bytes(keys[lane][4 * at..][..4].try_into().expect("4 bytes"))
    };
    std::array::from_fn(|at| match at {
        0..4 => u32x4_splat(CONSTANTS[at]),
        4..12 => u32x4(word(0, at - 4), word(1, at - 4), word(2, at - 4), word(3, at - 4)),
        _ => u32x4_splat(0),
    })
}

/// One column or diagonal in all four blocks.
macro_rules! quarter {
    ($x:ident, $masks:ident, $a:expr, $b:expr, $c:expr, $d:expr) => {
        $x[$a] = i32x4_add($x[$a], $x[$b]);
        $x[$d] = rotate_16(v128_xor($x[$d], $x[$a]), $masks);
        $x[$c] = i32x4_add($x[$c], $x[$d]);
        $x[$b] = rotate::<12, 20>(v128_xor($x[$b], $x[$c]));
        $x[$a] = i32x4_add($x[$a], $x[$b]);
        $x[$d] = rotate_8(v128_xor($x[$d], $x[$a]), $masks);
        $x[$c] = i32x4_add($x[$c], $x[$d]);
        $x[$b] = rotate::<7, 25>(v128_xor($x[$b], $x[$c]));
    };
}

/// RFC 8439 §2.3: a column round and a diagonal round.
#[inline(always)]
pub fn double_round(x: &mut State, masks: Masks) {
    quarter!(x, masks, 0, 4, 8, 12);
    quarter!(x, masks, 1, 5, 9, 13);
    quarter!(x, masks, 2, 6, 10, 14);
    quarter!(x, masks, 3, 7, 11, 15);
    quarter!(x, masks, 0, 5, 10, 15);
    quarter!(x, masks, 1, 6, 11, 12);
    quarter!(x, masks, 2, 7, 8, 13);
    quarter!(x, masks, 3, 4, 9, 14);
}

/// Adds the initial state to the result of the rounds, and yields 16 bytes of key stream at a time
/// with their offset in the 256.
#[inline(always)]
pub fn finish(x: &State, start: &State, mut each: impl FnMut(usize, v128)) {
    for group in 0..4 {
        let word = |at: usize| i32x4_add(x[4 * group + at], start[4 * group + at]);
        let rows = transpose(word(0), word(1), word(2), word(3));
        for (block, row) in rows.into_iter().enumerate() {
            each(BLOCK * block + 16 * group, row);
        }
    }
}

/// The key stream of four blocks.
pub fn key_stream(start: &State, masks: Masks, into: &mut [u8; CHUNK]) {
    let mut x = *start;
    for _ in 0..10 {
        double_round(&mut x, masks);
    }
    finish(&x, start, |at, key| store(into, at, key));
}

/// XORs 256 bytes of `text` with the key stream.
pub fn xor_chunk(start: &State, masks: Masks, text: &mut [u8; CHUNK]) {
    let mut x = *start;
    for _ in 0..10 {
        double_round(&mut x, masks);
    }
    finish(&x, start, |at, key| xor_at(text, at, key));
}

#[inline(always)]
fn rotate<const LEFT: u32, const RIGHT: u32>(x: v128) -> v128 {
    v128_or(i32x4_shl(x, LEFT), u32x4_shr(x, RIGHT))
}

#[inline(always)]
fn rotate_16(x: v128, masks: Masks) -> v128 {
    swizzle(x, masks.by_16)
}

#[inline(always)]
fn rotate_8(x: v128, masks: Masks) -> v128 {
    swizzle(x, masks.by_8)
}
