//! AES by vector permutation. Constant time, since every look-up is a swizzle in a register.

use super::aes_tables::{self as tables, CONSTANT, Table, to_tower};
use super::simd::*;
use ::aes::Block;
use ::aes::cipher::{BlockCipherDecrypt, KeyInit};

/// Blocks that are encrypted in parallel, to keep the execution units busy.
pub const WIDE: usize = 8;
pub const BLOCK: usize = 16;
const MAX_ROUNDS: usize = 14;

/// Read from memory, since constants would be rebuilt at each use.
#[derive(Clone, Copy)]
struct Tables {
    low: v128,
    inverse: v128,
    inverse_zeta: v128,
    once: [v128; 2],
    twice: [v128; 2],
    last: [v128; 2],
    enter: [v128; 2],
    /// Steps down a column by one and by three rows, by the number of pending ShiftRows.
    down: [v128; 4],
    up: [v128; 4],
    reverse: v128,
}

fn vector(table: Table) -> v128 {
    load(&table, 0)
}

impl Tables {
    fn new() -> Self {
        Tables {
            low: u8x16_splat(15),
            inverse: vector(tables::INVERSE),
            inverse_zeta: vector(tables::INVERSE_ZETA),
            once: tables::ONCE.map(vector),
            twice: tables::TWICE.map(vector),
            last: tables::LAST.map(vector),
            enter: tables::ENTER.map(vector),
            down: std::array::from_fn(|owed| vector(tables::step(1, owed))),
            up: std::array::from_fn(|owed| vector(tables::step(3, owed))),
            reverse: vector(std::array::from_fn(|at| 15 - at as u8)),
        }
    }

    /// A linear map given by its tables for the lower and the upper nibble.
    #[inline(always)]
    fn map(&self, [low, high]: [v128; 2], x: v128) -> v128 {
        let (i, k) = self.nibbles(x);
        v128_xor(swizzle(low, i), swizzle(high, k))
    }

    #[inline(always)]
    fn nibbles(&self, x: v128) -> (v128, v128) {
        (v128_and(x, self.low), v128_and(u16x8_shr(x, 4), self.low))
    }

    /// 1/u and 1/v of `aes_tables`.
    #[inline(always)]
    fn invert(&self, x: v128) -> (v128, v128) {
        let (i, k) = self.nibbles(x);
        let j = v128_xor(i, k);
        let over_k = swizzle(self.inverse_zeta, k);
        let from_i = v128_xor(swizzle(self.inverse, i), over_k);
        let from_j = v128_xor(swizzle(self.inverse, j), over_k);
        (v128_xor(swizzle(self.inverse, from_i), j), v128_xor(swizzle(self.inverse, from_j), i))
    }

    #[inline(always)]
    fn output(&self, [u, v]: [v128; 2], inverted: (v128, v128)) -> v128 {
        v128_xor(swizzle(u, inverted.0), swizzle(v, inverted.1))
    }

    /// SubBytes and its double, in the tower and without its constant.
    #[inline(always)]
    fn substitute(&self, x: v128) -> (v128, v128) {
        let inverted = self.invert(x);
        (self.output(self.once, inverted), self.output(self.twice, inverted))
    }

    /// SubBytes in AES's own representation.
    fn sub_bytes(&self, x: v128) -> v128 {
        let inside = self.map(self.enter, x);
        v128_xor(self.output(self.last, self.invert(inside)), u8x16_splat(CONSTANT))
    }
}

pub struct Aes {
    tables: Tables,
    rounds: usize,
    /// In the tower, with SubBytes' constant, and with the pending ShiftRows undone;
    /// the last one as in FIPS 197, except for the constant.
    keys: [v128; MAX_ROUNDS + 1],
    last_shift: v128,
    /// Used for CBC decryption of private key files and of old peers, so speed does not matter.
    inverse: Inverse,
}

impl Aes {
    /// A key of 16, 24 or 32 bytes.
    pub fn new(key: &[u8]) -> Self {
        let tables = Tables::new();
        let rounds = key.len() / 4 + 6;
        let schedule = expand(&tables, key, rounds);
        let mut keys = [u8x16_splat(0); MAX_ROUNDS + 1];
        for (round, key) in schedule.as_chunks::<BLOCK>().0.iter().enumerate() {
            let key = load(key, 0);
            keys[round] = if round == rounds {
                v128_xor(key, u8x16_splat(CONSTANT))
            } else {
                let inside = tables.map(tables.enter, key);
                let constant = if round == 0 { 0 } else { to_tower(CONSTANT) };
                let owed = vector(tables::shift_rows((4 - round % 4) % 4));
                v128_xor(swizzle(inside, owed), u8x16_splat(constant))
            };
        }
        let last_shift = vector(tables::shift_rows(rounds % 4));
        Aes { tables, rounds, keys, last_shift, inverse: Inverse::new(key) }
    }

    /// Encrypts blocks.
    #[inline(always)]
    pub fn encrypt<const N: usize>(&self, blocks: [v128; N]) -> [v128; N] {
        self.rounds_from(1, blocks.map(|block| self.enter(block)))
    }

    /// The state before the first round.
    #[inline(always)]
    pub fn enter(&self, block: v128) -> v128 {
        v128_xor(self.tables.map(self.tables.enter, block), self.keys[0])
    }

    /// The same for bytes that are all last in their blocks.
    #[inline(always)]
    pub fn enter_last(&self, bytes: v128) -> v128 {
        let key = u8x16_splat(u8x16_extract_lane::<15>(self.keys[0]));
        v128_xor(self.tables.map(self.tables.enter, bytes), key)
    }

    /// SubBytes and its double, in the tower and without its constant.
    #[inline(always)]
    pub fn substitute(&self, x: v128) -> (v128, v128) {
        self.tables.substitute(x)
    }

    /// One round that changes only the bytes in `mask`.
    pub fn round(&self, round: usize, block: v128, mask: v128) -> v128 {
        let (once, twice) = self.substitute(block);
        let (down, up) = (self.tables.down[round % 4], self.tables.up[round % 4]);
        mix(v128_and(once, mask), v128_and(twice, mask), down, up, self.keys[round])
    }

    /// All rounds from `first` on.
    #[inline(always)]
    pub fn rounds_from<const N: usize>(&self, first: usize, mut blocks: [v128; N]) -> [v128; N] {
        let tables = self.tables;
        for round in first..self.rounds {
            let key = self.keys[round];
            let (down, up) = (tables.down[round % 4], tables.up[round % 4]);
            for block in &mut blocks {
                let (once, twice) = tables.substitute(*block);
                *block = mix(once, twice, down, up, key);
            }
        }
        for block in &mut blocks {
            let last = tables.output(tables.last, tables.invert(*block));
            *block = v128_xor(swizzle(last, self.last_shift), self.keys[self.rounds]);
        }
        blocks
    }

    /// The key stream of eight counter blocks.
    #[inline(always)]
    pub fn key_stream(&self, counter: u128) -> [v128; WIDE] {
        let (high, low) = ((counter >> 64) as u64, counter as u64);
        let native: [v128; WIDE] = if low <= u64::MAX - WIDE as u64 {
            std::array::from_fn(|at| u64x2(low + at as u64, high))
        } else {
            std::array::from_fn(|at| {
                let counter = counter.wrapping_add(at as u128);
                u64x2(counter as u64, (counter >> 64) as u64)
            })
        };
        self.encrypt(native.map(|counter| swizzle(counter, self.tables.reverse)))
    }

    pub fn cbc_encrypt(&self, iv: &mut [u8; BLOCK], data: &mut [u8]) {
        let mut chain = load(iv, 0);
        for block in data.as_chunks_mut::<BLOCK>().0 {
            [chain] = self.encrypt([v128_xor(load(block, 0), chain)]);
            store(block, 0, chain);
        }
        store(iv, 0, chain);
    }

    pub fn cbc_decrypt(&self, iv: &mut [u8; BLOCK], data: &mut [u8]) {
        for text in data.chunks_mut(2 * BLOCK) {
            let mut blocks = [Block::default(); 2];
            let opened = &mut blocks[..text.len() / BLOCK];
            for (opened, cipher) in opened.iter_mut().zip(text.as_chunks::<BLOCK>().0) {
                opened.copy_from_slice(cipher);
            }
            self.inverse.decrypt(opened);
            for (opened, block) in opened.iter().zip(text.as_chunks_mut::<BLOCK>().0) {
                let plain = v128_xor(load(opened, 0), load(iv, 0));
                *iv = *block;
                store(block, 0, plain);
            }
        }
    }
}

/// MixColumns and AddRoundKey. ShiftRows is carried out only once, at the end; until then the steps
/// down the columns and the round keys account for it.
#[inline(always)]
fn mix(once: v128, twice: v128, down: v128, up: v128, key: v128) -> v128 {
    // 2a + 3b + c + d, where b, c and d are the rows below a.
    let a2_b = v128_xor(twice, swizzle(once, down));
    let d_key = v128_xor(swizzle(once, up), key);
    v128_xor(v128_xor(a2_b, swizzle(a2_b, down)), d_key)
}

/// FIPS 197 §5.2.
fn expand(tables: &Tables, key: &[u8], rounds: usize) -> Vec<u8> {
    let mut schedule = Vec::with_capacity(BLOCK * (rounds + 1));
    schedule.extend(key);
    let mut round_constant = 1u8;
    while schedule.len() < BLOCK * (rounds + 1) {
        let at = schedule.len();
        let mut word: [u8; 4] = schedule[at - 4..].try_into().expect("4 bytes");
        let substitute = |word: [u8; 4]| {
            let bytes = tables.sub_bytes(u32x4_splat(u32::from_le_bytes(word)));
            (u32x4_extract_lane::<0>(bytes)).to_le_bytes()
        };
        if at % key.len() == 0 {
            word.rotate_left(1);
            word = substitute(word);
            word[0] ^= round_constant;
            round_constant = (round_constant << 1) ^ ((round_constant >> 7) * 0x1b);
        } else if key.len() == 32 && at % key.len() == 16 {
            word = substitute(word);
        }
        for (byte, before) in word.into_iter().zip(at - key.len()..) {
            schedule.push(byte ^ schedule[before]);
        }
    }
    schedule
}

enum Inverse {
    Aes128(::aes::Aes128Dec),
    Aes192(::aes::Aes192Dec),
    Aes256(::aes::Aes256Dec),
}

fn keyed<C: KeyInit>(key: &[u8]) -> C {
    C::new_from_slice(key).expect("the length was looked at")
}

impl Inverse {
    fn new(key: &[u8]) -> Self {
        match key.len() {
            16 => Inverse::Aes128(keyed(key)),
            24 => Inverse::Aes192(keyed(key)),
            _ => Inverse::Aes256(keyed(key)),
        }
    }

    /// Two blocks take no longer than one.
    fn decrypt(&self, blocks: &mut [Block]) {
        match self {
            Inverse::Aes128(aes) => aes.decrypt_blocks(blocks),
            Inverse::Aes192(aes) => aes.decrypt_blocks(blocks),
            Inverse::Aes256(aes) => aes.decrypt_blocks(blocks),
        }
    }
}
