//! Argon2 (RFC 9106), used by PuTTY to encrypt private keys.

use argon2::{Algorithm, Argon2, Params, Version};
use denossh_fast::memory::scrubbed;
use wasm_bindgen::prelude::wasm_bindgen;

/// None for an unknown variant, parameters out of range, or too little memory.
#[wasm_bindgen]
pub fn argon2(
    variant: &str,
    passphrase: &[u8],
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
    parallelism: u32,
    length: usize,
) -> Option<Vec<u8>> {
    let algorithm = variant.parse::<Algorithm>().ok()?;
    let parameters = Params::new(memory_kib, passes, parallelism, Some(length)).ok()?;
    let argon2 = Argon2::new(algorithm, Version::V0x13, parameters);
    let mut key = vec![0; length];
    scrubbed(|| argon2.hash_password_into(passphrase, salt, &mut key)).ok()?;
    Some(key)
}
