//! bcrypt_pbkdf, used by OpenSSH to encrypt private keys.

use blowfish::Blowfish;
use denossh_fast::hash::Hash;
use denossh_fast::memory::scrubbed;
use wasm_bindgen::prelude::wasm_bindgen;

const BLOCK: usize = 32;
const MAGIC: &[u8; BLOCK] = b"OxychromaticBlowfishSwatDynamite";

/// None for zero rounds, or an empty passphrase, salt or key, as in the original.
#[wasm_bindgen]
pub fn bcrypt_pbkdf(passphrase: &[u8], salt: &[u8], rounds: u32, length: usize) -> Option<Vec<u8>> {
    scrubbed(|| derive(passphrase, salt, rounds, length))
}

fn derive(passphrase: &[u8], salt: &[u8], rounds: u32, length: usize) -> Option<Vec<u8>> {
    if passphrase.is_empty() || salt.is_empty() || rounds == 0 || !(1..=1024).contains(&length) {
        return None;
    }
    let secret = Hash::Sha512.digest(&[passphrase]);
    let mut key = vec![0; length];
    let stride = length.div_ceil(BLOCK);
    for block in 0..stride {
        let number = (block as u32 + 1).to_be_bytes();
        let mut part = hash(&secret, &Hash::Sha512.digest(&[salt, &number]));
        let mut sum = part;
        for _ in 1..rounds {
            part = hash(&secret, &Hash::Sha512.digest(&[&part]));
            sum.iter_mut().zip(part).for_each(|(all, one)| *all ^= one);
        }
        // The blocks are interleaved, so that a part of the key costs as much as the whole.
        for (byte, at) in sum.into_iter().zip((block..length).step_by(stride)) {
            key[at] = byte;
        }
    }
    Some(key)
}

/// Blowfish keyed by passphrase and salt, 64 rounds of each, then 64 encryptions of the magic text.
fn hash(secret: &[u8], salt: &[u8]) -> [u8; BLOCK] {
    let mut state: Box<Blowfish> = Box::new(Blowfish::bc_init_state());
    state.salted_expand_key(salt, secret);
    for _ in 0..64 {
        state.bc_expand_key(salt);
        state.bc_expand_key(secret);
    }
    let mut out = [0; BLOCK];
    for (text, out) in MAGIC.as_chunks::<8>().0.iter().zip(out.as_chunks_mut::<8>().0) {
        let (left, right) = text.split_at(4);
        let word = |half: &[u8]| u32::from_be_bytes(half.try_into().expect("4 bytes"));
        let mut pair = [word(left), word(right)];
        for _ in 0..64 {
            pair = state.bc_encrypt(pair);
        }
        out[..4].copy_from_slice(&pair[0].to_le_bytes());
        out[4..].copy_from_slice(&pair[1].to_le_bytes());
    }
    out
}
