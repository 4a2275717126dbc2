//! SHA-1 (FIPS 180-4 §6.1), for legacy peers, hashed known_hosts and old signatures.

use super::stream::Function;

#[derive(Clone, Copy)]
pub struct Sha1([u32; 5]);

const BLOCK: usize = 64;

impl Function for Sha1 {
    type Block = [u8; BLOCK];
    const LENGTH_BYTES: usize = 8;

    fn start() -> Self {
        Sha1([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0])
    }

    fn compress(&mut self, blocks: &[[u8; BLOCK]]) {
        blocks.iter().for_each(|block| compress(&mut self.0, block));
    }

    fn output(&self, into: &mut [u8]) {
        for (bytes, word) in into.chunks_mut(4).zip(self.0) {
            bytes.copy_from_slice(&word.to_be_bytes()[..bytes.len()]);
        }
    }
}

fn compress(state: &mut [u32; 5], block: &[u8; BLOCK]) {
    let mut w = [0; 80];
    for (word, bytes) in w.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for at in 16..80 {
        w[at] = (w[at - 3] ^ w[at - 8] ^ w[at - 14] ^ w[at - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (at, word) in w.into_iter().enumerate() {
        let (function, constant) = match at {
            0..20 => (d ^ b & (c ^ d), 0x5a827999u32),
            20..40 => (b ^ c ^ d, 0x6ed9eba1),
            40..60 => (b & c | d & (b | c), 0x8f1bbcdc),
            _ => (b ^ c ^ d, 0xca62c1d6),
        };
        let next = a.rotate_left(5).wrapping_add(function).wrapping_add(e);
        let next = next.wrapping_add(constant).wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(more);
    }
}
