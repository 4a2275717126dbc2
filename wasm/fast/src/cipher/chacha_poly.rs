//! chacha20-poly1305@openssh.com (draft-ietf-sshm-chacha20-poly1305): one key for packet_length,
//! another for the rest, and a tag over both as they are sent.

use super::chacha::{self, BLOCK, CHUNK, Masks, State};
use super::poly1305::{Poly1305, Sum};
use super::protection::Protection;
use super::simd::*;
use crate::equal::equal;

/// Bytes of the text whose key stream is part of the head.
const HEAD_TEXT: usize = 2 * BLOCK;
/// The lead of the MAC when the fused loop of `open` begins: whole blocks over length and head.
const HEAD_MAC: usize = 144;

/// Key stream for the start of a packet, from one run of four blocks under two keys:
/// packet_length, Poly1305's key, and two blocks of text.
type Head = [u8; CHUNK];

pub struct ChaChaPoly {
    masks: Masks,
    /// Lane 0 under the length's key; lanes 1 to 3 are blocks 0 to 2 under the text's key.
    head: State,
    /// Blocks 3 to 6 of the text, and on.
    text: State,
    /// The head of the packet whose length was read last.
    ready: Head,
}

impl ChaChaPoly {
    pub fn new(key: &[u8]) -> Self {
        let (text, length) = key.split_at(32);
        let mut head = chacha::state([length, text, text, text]);
        head[12] = u32x4(0, 0, 1, 2);
        let mut rest = chacha::state([text; 4]);
        rest[12] = u32x4(3, 4, 5, 6);
        ChaChaPoly { masks: Masks::new(), head, text: rest, ready: [0; CHUNK] }
    }

    /// The nonce is the sequence number as 64 bits, most significant byte first.
    fn prepare(&mut self, sequence: u32) {
        let nonce = u32x4_splat(sequence.swap_bytes());
        self.head[15] = nonce;
        self.text[15] = nonce;
        chacha::key_stream(&self.head, self.masks, &mut self.ready);
    }

    fn mac(&self) -> Poly1305 {
        Poly1305::new(self.ready[BLOCK..].first_chunk().expect("32 bytes"))
    }

    /// XORs the first bytes of the text with their key stream in the head.
    fn xor_head(&self, text: &mut [u8]) {
        let stream = &self.ready[2 * BLOCK..];
        if text.len() >= HEAD_TEXT {
            (0..HEAD_TEXT).step_by(16).for_each(|at| xor_at(text, at, load(stream, at)));
        } else {
            text.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
        }
    }

    /// XORs the remainder after the fused loops.
    fn xor_tail(&self, mut start: State, mut text: &mut [u8]) {
        while text.len() >= CHUNK {
            chacha::xor_chunk(&start, self.masks, text.first_chunk_mut().expect("256 bytes"));
            start[12] = i32x4_add(start[12], u32x4_splat(4));
            text = &mut text[CHUNK..];
        }
        if !text.is_empty() {
            let mut stream = [0; CHUNK];
            chacha::key_stream(&start, self.masks, &mut stream);
            text.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
        }
    }

    /// The same without a packet_length, as OpenSSH encrypts private keys: sequence number 0.
    #[inline(never)]
    pub fn bare_xor(&mut self, text: &mut [u8]) {
        self.prepare(0);
        let (head, rest) = text.split_at_mut(HEAD_TEXT.min(text.len()));
        self.xor_head(head);
        self.xor_tail(self.text, rest);
    }

    #[inline(never)]
    pub fn bare_tag(&mut self, text: &[u8]) -> [u8; 16] {
        self.prepare(0);
        let poly = self.mac();
        poly.tag(poly.absorb_rest([0; 4], text))
    }

    /// Encrypts or decrypts 256 bytes at `text` while 256 bytes at `mac` are absorbed: two blocks
    /// in scalar code during each of the first eight double rounds in vector code.
    #[inline(always)]
    fn fused(
        &self,
        poly: &Poly1305,
        mut sum: Sum,
        start: &State,
        packet: &mut [u8],
        mac: usize,
        text: usize,
    ) -> Sum {
        let masks = self.masks;
        let mut x = *start;
        let message: &[u8; CHUNK] = packet[mac..].first_chunk().expect("256 bytes");
        for [first, second] in message.as_chunks::<16>().0.as_chunks::<2>().0 {
            chacha::double_round(&mut x, masks);
            sum = poly.absorb(poly.absorb(sum, first), second);
        }
        chacha::double_round(&mut x, masks);
        chacha::double_round(&mut x, masks);
        let text: &mut [u8; CHUNK] = packet[text..].first_chunk_mut().expect("256 bytes");
        chacha::finish(&x, start, |at, key| xor_at(text, at, key));
        sum
    }
}

impl Protection for ChaChaPoly {
    fn block(&self) -> usize {
        8
    }
    fn tag(&self) -> usize {
        16
    }
    fn length_apart(&self) -> bool {
        true
    }
    fn length_hidden(&self) -> bool {
        true
    }

    fn length(&mut self, sequence: u32, lead: &mut [u8]) -> u32 {
        self.prepare(sequence);
        u32::from_be_bytes(std::array::from_fn(|at| lead[at] ^ self.ready[at]))
    }

    /// The MAC follows the cipher, since it covers the ciphertext.
    fn seal(&mut self, sequence: u32, packet: &mut [u8]) {
        self.prepare(sequence);
        let (packet, tag) = packet.split_last_chunk_mut::<16>().expect("a tag");
        packet[..4].iter_mut().zip(self.ready).for_each(|(byte, key)| *byte ^= key);
        self.xor_head(&mut packet[4..]);
        let poly = self.mac();
        let mut sum = [0; 4];
        let (mut mac, mut text) = (0, packet.len().min(4 + HEAD_TEXT));
        let mut start = self.text;
        if text + CHUNK <= packet.len() {
            let chunk = packet[text..].first_chunk_mut().expect("256 bytes");
            chacha::xor_chunk(&start, self.masks, chunk);
            (start, text) = (next(start), text + CHUNK);
        }
        while text + CHUNK <= packet.len() {
            sum = self.fused(&poly, sum, &start, packet, mac, text);
            (start, mac, text) = (next(start), mac + CHUNK, text + CHUNK);
        }
        self.xor_tail(start, &mut packet[text..]);
        *tag = poly.tag(poly.absorb_rest(sum, &packet[mac..]));
    }

    /// The MAC stays ahead of decryption, which overwrites the ciphertext.
    fn open(&mut self, _: u32, packet: &mut [u8]) -> bool {
        let (packet, tag) = packet.split_last_chunk_mut::<16>().expect("a tag");
        let poly = self.mac();
        let mut sum = [0; 4];
        let mut start = self.text;
        let (mut mac, mut text) = (0, 4);
        if packet.len() >= HEAD_MAC + CHUNK {
            sum = poly.absorb_rest(sum, &packet[..HEAD_MAC]);
            self.xor_head(&mut packet[4..]);
            (mac, text) = (HEAD_MAC, 4 + HEAD_TEXT);
            while mac + CHUNK <= packet.len() {
                sum = self.fused(&poly, sum, &start, packet, mac, text);
                (start, mac, text) = (next(start), mac + CHUNK, text + CHUNK);
            }
        }
        let sum = poly.absorb_rest(sum, &packet[mac..]);
        if !equal(&poly.tag(sum), tag) {
            return false;
        }
        if text == 4 {
            self.xor_head(&mut packet[4..]);
            text = packet.len().min(4 + HEAD_TEXT);
        }
        self.xor_tail(start, &mut packet[text..]);
        true
    }
}

/// The next four blocks.
#[inline(always)]
fn next(mut start: State) -> State {
    start[12] = i32x4_add(start[12], u32x4_splat(4));
    start
}
