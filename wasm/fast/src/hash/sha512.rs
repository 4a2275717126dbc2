//! SHA-512, SHA-384 and SHA-512/256 (FIPS 180-4 §6.4): the message schedule in vectors, the rounds
//! in scalar code.

use super::constants::{IV384, IV512, K512};
use super::stream::Function;
use crate::cipher::simd::*;
use crate::fixed::Fixed;

#[derive(Clone, Copy)]
pub struct Sha512([u64; 8]);

/// SHA-512 with another initial value; its output is truncated to 48 bytes.
#[derive(Clone, Copy)]
pub struct Sha384(Sha512);

/// The same, truncated to 32 bytes.
#[derive(Clone, Copy)]
pub struct Sha512Cut256(Sha512);

const BLOCK: usize = 128;

static CONSTANTS: Fixed<[[u64; 16]; 5]> = Fixed::new(K512);
/// Swizzles: bytes of words reversed; words rotated right by 8 bits.
static MOVES: Fixed<[[u8; 16]; 2]> = Fixed::new([
    [7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8],
    [1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15, 8],
]);
static AHEAD: Fixed<Ahead> = Fixed::new(Ahead { words: [0; 16], anchor: 0 });

/// As in SHA-256.
struct Ahead {
    words: [u64; 16],
    anchor: u64,
}

impl Function for Sha512 {
    type Block = [u8; BLOCK];
    const LENGTH_BYTES: usize = 16;

    fn start() -> Self {
        Sha512(IV512)
    }

    fn compress(&mut self, blocks: &[[u8; BLOCK]]) {
        // SAFETY: nothing called from here calls this function again.
        let ahead = unsafe { AHEAD.hold() };
        for block in blocks {
            compress(&mut self.0, block, ahead);
        }
        *ahead = Ahead { words: [0; 16], anchor: 0 };
    }

    fn output(&self, into: &mut [u8]) {
        for (bytes, word) in into.chunks_mut(8).zip(self.0) {
            bytes.copy_from_slice(&word.to_be_bytes()[..bytes.len()]);
        }
    }
}

impl Function for Sha512Cut256 {
    type Block = [u8; BLOCK];
    const LENGTH_BYTES: usize = 16;

    /// §5.3.6: the digest of the function's name by SHA-512 with a modified initial value.
    fn start() -> Self {
        let mut block = [0; BLOCK];
        let name = b"SHA-512/256";
        block[..name.len()].copy_from_slice(name);
        block[name.len()] = 0x80;
        block[BLOCK - 1] = 8 * name.len() as u8;
        let mut start = Sha512(IV512.map(|word| word ^ 0xa5a5_a5a5_a5a5_a5a5));
        start.compress(&[block]);
        Sha512Cut256(start)
    }

    fn compress(&mut self, blocks: &[[u8; BLOCK]]) {
        self.0.compress(blocks);
    }

    fn output(&self, into: &mut [u8]) {
        self.0.output(into);
    }
}

impl Function for Sha384 {
    type Block = [u8; BLOCK];
    const LENGTH_BYTES: usize = 16;

    fn start() -> Self {
        Sha384(Sha512(IV384))
    }

    fn compress(&mut self, blocks: &[[u8; BLOCK]]) {
        self.0.compress(blocks);
    }

    fn output(&self, into: &mut [u8]) {
        self.0.output(into);
    }
}

#[inline(always)]
fn compress(state: &mut [u64; 8], block: &[u8; BLOCK], ahead: &mut Ahead) {
    // SAFETY: they are only read here.
    let (constants, moves) = unsafe { (&*CONSTANTS.hold(), &*MOVES.hold()) };
    let [reverse, by_8] = [0, 1].map(|at| load(&moves[at], 0));
    let mut w: [v128; 8] = std::array::from_fn(|at| swizzle(load(block, 16 * at), reverse));
    for (at, w) in w.into_iter().enumerate() {
        ahead.put(at, w, &constants[0]);
    }
    let mut s = *state;
    macro_rules! two_rounds {
        ($($at:literal)*) => {$(
            round::<{ 2 * $at }>(&mut s, ahead);
            round::<{ 2 * $at + 1 }>(&mut s, ahead);
        )*};
    }
    macro_rules! rounds_and_schedule {
        ($next:expr; $($at:literal)*) => {$(
            two_rounds!($at);
            let near = |ahead: usize| w[($at + ahead) % 8];
            w[$at] = schedule(w[$at], near(1), near(4), near(5), near(7), by_8);
            ahead.put($at, w[$at], $next);
        )*};
    }
    rounds_and_schedule!(&constants[1]; 0 1 2 3 4 5 6 7);
    rounds_and_schedule!(&constants[2]; 0 1 2 3 4 5 6 7);
    rounds_and_schedule!(&constants[3]; 0 1 2 3 4 5 6 7);
    rounds_and_schedule!(&constants[4]; 0 1 2 3 4 5 6 7);
    two_rounds!(0 1 2 3 4 5 6 7);
    state.iter_mut().zip(s).for_each(|(word, more)| *word = word.wrapping_add(more));
}

impl Ahead {
    /// Two words and their constants.
    #[inline(always)]
    fn put(&mut self, at: usize, words: v128, constants: &[u64; 16]) {
        let into = self.words[2 * at..2 * at + 2].as_mut_ptr();
        let sum = i64x2_add(words, load_words(constants, 2 * at));
        // SAFETY: slicing has checked that there are two words.
        unsafe { v128_store(into.cast(), sum) };
    }
}

/// One round, as in SHA-256.
#[inline(always)]
fn round<const NUMBER: usize>(s: &mut [u64; 8], ahead: &mut Ahead) {
    let at = |name: usize| (name + 16 - NUMBER) % 8;
    let (a, b, c) = (s[at(0)], s[at(1)], s[at(2)]);
    let (e, f, g) = (s[at(4)], s[at(5)], s[at(6)]);
    let sum_1 = e.rotate_right(14) ^ e.rotate_right(18) ^ e.rotate_right(41);
    let sum_0 = a.rotate_right(28) ^ a.rotate_right(34) ^ a.rotate_right(39);
    let choice = g ^ e & (f ^ g);
    let majority = b ^ (a ^ b) & (b ^ c);
    let word = ahead.words[NUMBER];
    let first = s[at(7)].wrapping_add(word).wrapping_add(choice).wrapping_add(sum_1);
    s[at(3)] = s[at(3)].wrapping_add(first);
    s[at(7)] = first.wrapping_add(majority).wrapping_add(sum_0);
    if NUMBER % 2 == 1 {
        // SAFETY: it is a reference.
        unsafe { (&raw mut ahead.anchor).write_volatile(s[at(7)]) };
    }
}

/// Two new words.
#[inline(always)]
fn schedule(w0: v128, w2: v128, w8: v128, w10: v128, w14: v128, by_8: v128) -> v128 {
    let w1 = i64x2_shuffle::<1, 2>(w0, w2);
    let w9 = i64x2_shuffle::<1, 2>(w8, w10);
    let sigma_0 = v128_xor(v128_xor(rotate::<1, 63>(w1), swizzle(w1, by_8)), u64x2_shr(w1, 7));
    let sigma_1 =
        v128_xor(v128_xor(rotate::<19, 45>(w14), rotate::<61, 3>(w14)), u64x2_shr(w14, 6));
    i64x2_add(i64x2_add(w0, w9), i64x2_add(sigma_0, sigma_1))
}

#[inline(always)]
fn rotate<const RIGHT: u32, const LEFT: u32>(x: v128) -> v128 {
    v128_or(u64x2_shr(x, RIGHT), i64x2_shl(x, LEFT))
}

#[inline(always)]
fn load_words(words: &[u64; 16], at: usize) -> v128 {
    let words = words[at..at + 2].as_ptr();
    // SAFETY: slicing has checked that there are two words.
    unsafe { v128_load(words.cast()) }
}
