//! SHA-256 and SHA-224 (FIPS 180-4 §6.2): the message schedule in vectors, the rounds in scalar
//! code.

use super::constants::{IV224, IV256, K256};
use super::stream::Function;
use crate::cipher::simd::*;
use crate::fixed::Fixed;

#[derive(Clone, Copy)]
pub struct Sha256([u32; 8]);

/// SHA-256 with another initial value; its output is truncated to 28 bytes.
#[derive(Clone, Copy)]
pub struct Sha224(Sha256);

const BLOCK: usize = 64;

static CONSTANTS: Fixed<[[u32; 16]; 4]> = Fixed::new(K256);
/// Swizzles: bytes of words reversed; words 0 and 2 to the lower half; and to the upper half.
static MOVES: Fixed<[[u8; 16]; 3]> = Fixed::new([
    [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12],
    [0, 1, 2, 3, 8, 9, 10, 11, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
    [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 2, 3, 8, 9, 10, 11],
]);
static AHEAD: Fixed<Ahead> = Fixed::new(Ahead { words: [0; 16], anchor: 0 });

/// The output of the vector code for the rounds.
struct Ahead {
    /// Schedule words with their constants, sixteen ahead of the rounds that use them.
    words: [u32; 16],
    /// Written but never read: see `round`.
    anchor: u32,
}

impl Function for Sha256 {
    type Block = [u8; BLOCK];
    const LENGTH_BYTES: usize = 8;

    fn start() -> Self {
        Sha256(IV256)
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
        for (bytes, word) in into.chunks_mut(4).zip(self.0) {
            bytes.copy_from_slice(&word.to_be_bytes()[..bytes.len()]);
        }
    }
}

impl Function for Sha224 {
    type Block = [u8; BLOCK];
    const LENGTH_BYTES: usize = 8;

    fn start() -> Self {
        Sha224(Sha256(IV224))
    }

    fn compress(&mut self, blocks: &[[u8; BLOCK]]) {
        self.0.compress(blocks);
    }

    fn output(&self, into: &mut [u8]) {
        self.0.output(into);
    }
}

#[inline(always)]
fn compress(state: &mut [u32; 8], block: &[u8; BLOCK], ahead: &mut Ahead) {
    // SAFETY: they are only read here.
    let (constants, moves) = unsafe { (&*CONSTANTS.hold(), &*MOVES.hold()) };
    let [reverse, to_lower, to_upper] = [0, 1, 2].map(|at| load(&moves[at], 0));
    let mut w: [v128; 4] = std::array::from_fn(|at| swizzle(load(block, 16 * at), reverse));
    for (at, w) in w.into_iter().enumerate() {
        ahead.put(at, w, &constants[0]);
    }
    let mut s = *state;
    macro_rules! four_rounds {
        ($($at:literal)*) => {$(
            round::<{ 4 * $at }>(&mut s, ahead);
            round::<{ 4 * $at + 1 }>(&mut s, ahead);
            round::<{ 4 * $at + 2 }>(&mut s, ahead);
            round::<{ 4 * $at + 3 }>(&mut s, ahead);
        )*};
    }
    macro_rules! rounds_and_schedule {
        ($next:expr; $($at:literal)*) => {$(
            four_rounds!($at);
            let near = |ahead: usize| w[($at + ahead) % 4];
            w[$at] = schedule(w[$at], near(1), near(2), near(3), to_lower, to_upper);
            ahead.put($at, w[$at], $next);
        )*};
    }
    // Unrolled, since in a loop variables and addresses would move between registers and memory.
    rounds_and_schedule!(&constants[1]; 0 1 2 3);
    rounds_and_schedule!(&constants[2]; 0 1 2 3);
    rounds_and_schedule!(&constants[3]; 0 1 2 3);
    four_rounds!(0 1 2 3);
    state.iter_mut().zip(s).for_each(|(word, more)| *word = word.wrapping_add(more));
}

impl Ahead {
    /// Four words and their constants.
    #[inline(always)]
    fn put(&mut self, at: usize, words: v128, constants: &[u32; 16]) {
        let into = self.words[4 * at..4 * at + 4].as_mut_ptr();
        let sum = i32x4_add(words, load_words(constants, 4 * at));
        // SAFETY: slicing has checked that there are four words.
        unsafe { v128_store(into.cast(), sum) };
    }
}

/// One round, by its number among sixteen. The eight variables stay in place, and their names
/// rotate.
#[inline(always)]
fn round<const NUMBER: usize>(s: &mut [u32; 8], ahead: &mut Ahead) {
    let at = |name: usize| (name + 16 - NUMBER) % 8;
    let (a, b, c) = (s[at(0)], s[at(1)], s[at(2)]);
    let (e, f, g) = (s[at(4)], s[at(5)], s[at(6)]);
    let sum_1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let sum_0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let choice = g ^ e & (f ^ g);
    let majority = b ^ (a ^ b) & (b ^ c);
    let word = ahead.words[NUMBER];
    let first = s[at(7)].wrapping_add(word).wrapping_add(choice).wrapping_add(sum_1);
    s[at(3)] = s[at(3)].wrapping_add(first);
    s[at(7)] = first.wrapping_add(majority).wrapping_add(sum_0);
    if NUMBER % 2 == 1 {
        // The compiler would delay this sum to its last use, four rounds later, and keep its parts
        // in memory until then. A store that cannot be moved forces it here.
        // SAFETY: it is a reference.
        unsafe { (&raw mut ahead.anchor).write_volatile(s[at(7)]) };
    }
}

/// Four new words. Each depends on the word two before it, so they are computed in two halves.
#[inline(always)]
fn schedule(w0: v128, w4: v128, w8: v128, w12: v128, to_lower: v128, to_upper: v128) -> v128 {
    let w1 = i32x4_shuffle::<1, 2, 3, 4>(w0, w4);
    let w9 = i32x4_shuffle::<1, 2, 3, 4>(w8, w12);
    let sigma_0 = v128_xor(v128_xor(rotate::<7, 25>(w1), rotate::<18, 14>(w1)), u32x4_shr(w1, 3));
    let sum = i32x4_add(i32x4_add(w0, w9), sigma_0);
    let lower = swizzle(sigma_1(i32x4_shuffle::<2, 2, 3, 3>(w12, w12)), to_lower);
    let half = i32x4_add(sum, lower);
    let upper = swizzle(sigma_1(i32x4_shuffle::<0, 0, 1, 1>(half, half)), to_upper);
    i32x4_add(half, upper)
}

/// For doubled words, so that shifts of the pair are rotations; the result is in words 0 and 2.
#[inline(always)]
fn sigma_1(x: v128) -> v128 {
    v128_xor(v128_xor(u64x2_shr(x, 17), u64x2_shr(x, 19)), u32x4_shr(x, 10))
}

#[inline(always)]
fn rotate<const RIGHT: u32, const LEFT: u32>(x: v128) -> v128 {
    v128_or(u32x4_shr(x, RIGHT), i32x4_shl(x, LEFT))
}

#[inline(always)]
fn load_words(words: &[u32; 16], at: usize) -> v128 {
    let words = words[at..at + 4].as_ptr();
    // SAFETY: slicing has checked that there are four words.
    unsafe { v128_load(words.cast()) }
}
