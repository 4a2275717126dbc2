//! AES-GCM as SSH uses it (RFC 5647): packet_length in clear, as associated data.

use super::aes::{Aes, WIDE};
use super::aes_counter::{ctr, xor_some};
use super::ghash::{BLOCK, Ghash};
use super::protection::Protection;
use super::simd::*;
use crate::equal::equal;

const TAG: usize = 16;
/// Bytes of text covered by the first run of eight blocks; the first block masks the tag.
const HEAD: usize = (WIDE - 1) * BLOCK;

/// AES-GCM with nonces of 96 bits and tags of 128 (NIST SP 800-38D §7).
pub struct AesGcm {
    aes: Aes,
    ghash: Ghash,
}

impl AesGcm {
    pub fn new(key: &[u8]) -> Self {
        let aes = Aes::new(key);
        let mut h = [0; BLOCK];
        store(&mut h, 0, aes.encrypt([u8x16_splat(0)])[0]);
        AesGcm { aes, ghash: Ghash::new(h) }
    }

    /// Encrypts in place and returns the tag. `aad` has at most a block.
    pub fn seal(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let stream = self.crypt(nonce, text);
        self.tag(stream, aad, text)
    }

    /// Decrypts in place if the tag is right; otherwise the text is unchanged.
    pub fn open(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8], tag: &[u8]) -> bool {
        // The tag's mask needs a run of eight blocks, so the rest of that run is used for the start
        // of the text.
        let stream = self.aes.key_stream(first_counter(nonce));
        if !equal(&self.tag(stream[0], aad, text), tag) {
            return false;
        }
        self.xor(stream, nonce, text);
        true
    }

    fn crypt(&self, nonce: &[u8; 12], text: &mut [u8]) -> v128 {
        let stream = self.aes.key_stream(first_counter(nonce));
        self.xor(stream, nonce, text);
        stream[0]
    }

    fn xor(&self, stream: [v128; WIDE], nonce: &[u8; 12], text: &mut [u8]) {
        let (head, rest) = text.split_at_mut(HEAD.min(text.len()));
        xor_some(&stream[1..], head);
        ctr(&self.aes, &mut (first_counter(nonce) + WIDE as u128), rest);
    }

    fn tag(&self, mask: v128, aad: &[u8], text: &[u8]) -> [u8; TAG] {
        let mut sum = u8x16_splat(0);
        if !aad.is_empty() {
            sum = self.ghash.absorb(sum, &[padded(aad)]);
        }
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        sum = self.ghash.absorb(sum, blocks);
        let bits = ((8 * aad.len() as u128) << 64) | (8 * text.len() as u128);
        let lengths = bits.to_be_bytes();
        sum = if rest.is_empty() {
            self.ghash.absorb(sum, &[lengths])
        } else {
            self.ghash.absorb(sum, &[padded(rest), lengths])
        };
        let mut tag = [0; TAG];
        store(&mut tag, 0, v128_xor(sum, mask));
        tag
    }
}

/// The block that masks the tag; the others are for the text.
fn first_counter(nonce: &[u8; 12]) -> u128 {
    let mut block = [0; BLOCK];
    block[..12].copy_from_slice(nonce);
    block[15] = 1;
    u128::from_be_bytes(block)
}

fn padded(part: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..part.len()].copy_from_slice(part);
    block
}

pub struct Gcm {
    key: AesGcm,
    /// RFC 5647 §7.1: a fixed field and an invocation counter, new at each packet.
    nonce: [u8; 12],
}

impl Gcm {
    pub fn new(key: &[u8], iv: &[u8]) -> Self {
        Gcm { key: AesGcm::new(key), nonce: iv.try_into().expect("12 bytes") }
    }

    fn advance(&mut self) -> [u8; 12] {
        let nonce = self.nonce;
        let counter = nonce[4..].try_into().expect("8 bytes");
        let next = u64::from_be_bytes(counter).wrapping_add(1);
        self.nonce[4..].copy_from_slice(&next.to_be_bytes());
        nonce
    }
}

impl Protection for Gcm {
    fn block(&self) -> usize {
        BLOCK
    }
    fn tag(&self) -> usize {
        TAG
    }
    fn length_apart(&self) -> bool {
        true
    }
    fn length_hidden(&self) -> bool {
        false
    }
    fn length(&mut self, _: u32, lead: &mut [u8]) -> u32 {
        u32::from_be_bytes([lead[0], lead[1], lead[2], lead[3]])
    }

    fn seal(&mut self, _: u32, packet: &mut [u8]) {
        let nonce = self.advance();
        let (length, rest) = packet.split_at_mut(4);
        let (text, tag) = rest.split_last_chunk_mut::<TAG>().expect("a tag");
        *tag = self.key.seal(&nonce, length, text);
    }

    fn open(&mut self, _: u32, packet: &mut [u8]) -> bool {
        let nonce = self.advance();
        let (length, rest) = packet.split_at_mut(4);
        let (text, tag) = rest.split_last_chunk_mut::<TAG>().expect("a tag");
        self.key.open(&nonce, length, text, tag)
    }
}
