//! ring's own AEADs over packets, and single parts of ours, for the benchmark and for tests only.

use crate::cipher::poly1305::Poly1305;
use ring::aead::chacha20_poly1305_openssh::{OpeningKey, SealingKey};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use wasm_bindgen::prelude::wasm_bindgen;

enum Keys {
    ChaCha(SealingKey, OpeningKey),
    Gcm(LessSafeKey),
}

/// One buffer that holds a packet: packet_length, the rest, a tag of 16 bytes.
#[wasm_bindgen]
pub struct Reference {
    keys: Keys,
    packet: Vec<u8>,
}

#[wasm_bindgen]
impl Reference {
    pub fn create(key: &[u8], size: usize) -> Option<Reference> {
        let gcm = |algorithm| UnboundKey::new(algorithm, key).ok().map(LessSafeKey::new);
        let keys = match key.len() {
            16 => Keys::Gcm(gcm(&AES_128_GCM)?),
            32 => Keys::Gcm(gcm(&AES_256_GCM)?),
            _ => {
                let key = key.try_into().ok()?;
                Keys::ChaCha(SealingKey::new(key), OpeningKey::new(key))
            }
        };
        Some(Reference { keys, packet: vec![0; size] })
    }

    pub fn packet(&mut self) -> *mut u8 {
        self.packet.as_mut_ptr()
    }

    pub fn seal(&mut self, sequence: u32) {
        let (text, tag) = self.packet.split_last_chunk_mut::<16>().expect("a tag");
        match &self.keys {
            Keys::ChaCha(key, _) => key.seal_in_place(sequence, text, tag),
            Keys::Gcm(key) => {
                let (length, text) = text.split_at_mut(4);
                let aad = Aad::from(length);
                let sealed = key.seal_in_place_separate_tag(nonce(sequence), aad, text);
                tag.copy_from_slice(sealed.expect("a short packet").as_ref());
            }
        }
    }

    pub fn open(&mut self, sequence: u32) -> bool {
        match &self.keys {
            Keys::ChaCha(_, key) => {
                let (text, tag) = self.packet.split_last_chunk_mut::<16>().expect("a tag");
                key.open_in_place(sequence, text, tag).is_ok()
            }
            Keys::Gcm(key) => {
                let (length, rest) = self.packet.split_at_mut(4);
                key.open_in_place(nonce(sequence), Aad::from(length), rest).is_ok()
            }
        }
    }
}

/// Our Poly1305 by itself, for RFC 8439's vectors.
#[wasm_bindgen]
pub fn poly1305(key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let poly = Poly1305::new(key.first_chunk::<32>()?);
    Some(poly.tag(poly.absorb_rest([0; 4], message)).to_vec())
}

fn nonce(sequence: u32) -> Nonce {
    let mut nonce = [0; 12];
    nonce[8..].copy_from_slice(&sequence.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}
