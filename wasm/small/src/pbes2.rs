//! The key derivation functions of PKCS#8 (RFC 8018 §5.2, RFC 7914).

use denossh_fast::hash::{Hash, Hmac};
use denossh_fast::memory::scrubbed;
use denossh_fast::scrypt::derive;
use ring::pbkdf2::{
    Algorithm, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA384, PBKDF2_HMAC_SHA512,
};
use std::num::NonZeroU32;
use wasm_bindgen::prelude::wasm_bindgen;

/// None for an unknown hash, or no iterations.
#[wasm_bindgen]
pub fn pbkdf2(
    hash: &str,
    passphrase: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Option<Vec<u8>> {
    let algorithm: Algorithm = match hash {
        "SHA-1" => PBKDF2_HMAC_SHA1,
        "SHA-256" => PBKDF2_HMAC_SHA256,
        "SHA-384" => PBKDF2_HMAC_SHA384,
        "SHA-512" => PBKDF2_HMAC_SHA512,
        _ => return pbkdf2_of(Hash::named(hash)?, passphrase, salt, iterations, length),
    };
    let iterations = NonZeroU32::new(iterations)?;
    let mut key = vec![0; length];
    scrubbed(|| ring::pbkdf2::derive(algorithm, iterations, salt, passphrase, &mut key));
    Some(key)
}

/// With the hashes that ring lacks.
fn pbkdf2_of(
    hash: Hash,
    passphrase: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Option<Vec<u8>> {
    let iterations = NonZeroU32::new(iterations)?.get();
    let mut key = vec![0; length];
    scrubbed(|| {
        let keyed = Hmac::new(hash, passphrase);
        let mut block = vec![0; hash.size()];
        for (index, part) in (1u32..).zip(key.chunks_mut(hash.size())) {
            keyed.tag(&[salt, &index.to_be_bytes()], &mut block);
            let mut sum = block.clone();
            for _ in 1..iterations {
                let last = block.clone();
                keyed.tag(&[&last], &mut block);
                sum.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
            }
            part.copy_from_slice(&sum[..part.len()]);
        }
    });
    Some(key)
}

/// None for costs out of range, or too little memory; `log_n` is the binary logarithm of the
/// rounds.
#[wasm_bindgen]
pub fn scrypt(
    passphrase: &[u8],
    salt: &[u8],
    log_n: u8,
    block_size: u32,
    parallelism: u32,
    length: usize,
) -> Option<Vec<u8>> {
    let blocks = 1usize.checked_shl(log_n.into())?.checked_add(parallelism as usize)?;
    let needed = blocks.checked_mul(128)?.checked_mul(block_size as usize)?;
    // Running out of memory would trap; if the allocation succeeds here, it will also succeed
    // below.
    Vec::<u8>::new().try_reserve_exact(needed.checked_add(needed / 8)?).ok()?;
    let mut key = vec![0; length];
    let costs = (log_n, block_size, parallelism);
    scrubbed(|| derive(passphrase, salt, costs, &mut key))?;
    Some(key)
}
