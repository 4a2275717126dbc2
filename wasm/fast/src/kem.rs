//! Key encapsulation: ML-KEM-768 (FIPS 203) and Streamlined NTRU Prime (RFC 9941).

use crate::memory::scrubbed;
use crate::random::Fresh;
use ml_kem::kem::{Decapsulate, KeyExport};
use ml_kem::{Key, Seed, ml_kem_768 as mlkem};
use sntrup::{Sntrup761, sntrup761};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
#[inline(never)]
pub fn encapsulation_key(seed: &[u8]) -> Option<Vec<u8>> {
    let seed = Seed::try_from(seed).ok()?;
    let key = mlkem::DecapsulationKey::from_seed(seed);
    Some(key.encapsulation_key().to_bytes().to_vec())
}

/// Ciphertext, then shared secret. None if the key has coefficients out of range (FIPS 203 §7.2).
#[wasm_bindgen]
#[inline(never)]
pub fn mlkem_encapsulate(key: &[u8], random: &[u8]) -> Option<Vec<u8>> {
    let key = Key::<mlkem::EncapsulationKey>::try_from(key).ok()?;
    let random = ml_kem::B32::try_from(random).ok()?;
    let key = mlkem::EncapsulationKey::new(&key).ok()?;
    let (ciphertext, secret) = key.encapsulate_deterministic(&random);
    Some([ciphertext.as_slice(), secret.as_slice()].concat())
}

#[wasm_bindgen]
#[inline(never)]
pub fn mlkem_decapsulate(seed: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let key = mlkem::DecapsulationKey::from_seed(Seed::try_from(seed).ok()?);
    let ciphertext = mlkem::Ciphertext::try_from(ciphertext).ok()?;
    Some(key.decapsulate(&ciphertext).to_vec())
}

/// A new private key with its public key.
#[inline(never)]
pub fn sntrup761_generate() -> (Vec<u8>, Vec<u8>) {
    let (public, key) = Sntrup761::generate_key(&mut Fresh);
    (key.as_ref().to_vec(), public.as_ref().to_vec())
}

/// Ciphertext, then shared secret. None if the key is malformed.
#[inline(never)]
pub fn sntrup761_encapsulate(key: &[u8]) -> Option<Vec<u8>> {
    let key = sntrup761::EncapsulationKey::try_from(key).ok()?;
    let (ciphertext, secret) = key.encapsulate(&mut Fresh);
    Some([ciphertext.as_ref(), secret.as_ref()].concat())
}

/// For published vectors. Implicit rejection: an invalid ciphertext gives a pseudorandom secret.
#[wasm_bindgen]
#[inline(never)]
pub fn sntrup761_decapsulate(key: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let key = sntrup761::DecapsulationKey::try_from(key).ok()?;
    let ciphertext = sntrup761::Ciphertext::try_from(ciphertext).ok()?;
    scrubbed(|| Some(key.decapsulate(&ciphertext).as_ref().to_vec()))
}
