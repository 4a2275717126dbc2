//! Ed25519 and ECDSA signatures.

use crate::kex::curve;
use crate::p521;
use denossh_fast::memory::scrubbed;
use denossh_fast::random::{self, Given};
use ring::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
pub fn verify_ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&sig::ED25519, key).verify(message, signature).is_ok()
}

#[wasm_bindgen]
pub fn sign_ed25519(seed: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let signature =
        scrubbed(|| Some(Ed25519KeyPair::from_seed_unchecked(seed).ok()?.sign(message)))?;
    Some(signature.as_ref().into())
}

#[wasm_bindgen]
pub fn ed25519_public_key(seed: &[u8]) -> Option<Vec<u8>> {
    scrubbed(|| Some(Ed25519KeyPair::from_seed_unchecked(seed).ok()?.public_key().as_ref().into()))
}

/// `r` and `s`, concatenated, each with the size of the field.
#[wasm_bindgen]
pub fn verify_ecdsa(curve: &str, point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let algorithm = match curve {
        "nistp256" => &sig::ECDSA_P256_SHA256_FIXED,
        "nistp384" => &sig::ECDSA_P384_SHA384_FIXED,
        p521::NAME => return p521::verify(point, message, signature).is_some(),
        _ => return false,
    };
    UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
}

/// The nonce is a hash of the key, the message and fresh randomness: neither a weak generator nor a
/// repeated message reveals the key (compare CVE-2024-31497).
#[wasm_bindgen]
pub fn sign_ecdsa(curve: &str, scalar: &[u8], point: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    scrubbed(|| ecdsa(curve, scalar, point, message))
}

fn ecdsa(curve: &str, scalar: &[u8], point: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    // The random bytes that ring requests: to blind the key's hash, then for the nonce.
    let (algorithm, mask, nonce) = match curve {
        "nistp256" => (&sig::ECDSA_P256_SHA256_FIXED_SIGNING, 32, 32),
        "nistp384" => (&sig::ECDSA_P384_SHA384_FIXED_SIGNING, 48, 80),
        p521::NAME => return p521::sign(scalar, point, message),
        _ => return None,
    };
    let fresh = random::bytes::<128>();
    let source = Given { bytes: &fresh[..mask] };
    let key =
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, point, &source).ok()?;
    let source = Given { bytes: &fresh[mask..][..nonce.min(128 - mask)] };
    let signature = key.sign(&source, message).ok()?;
    Some(signature.as_ref().into())
}

#[wasm_bindgen]
pub fn ecdsa_public_key(curve: &str, scalar: &[u8]) -> Option<Vec<u8>> {
    scrubbed(|| curve::public_value(curve, scalar))
}

/// The scalar, then the point.
#[wasm_bindgen]
pub fn generate_ecdsa(curve: &str) -> Option<Vec<u8>> {
    let (scalar, point) = scrubbed(|| curve::generate(curve))?;
    Some([scalar, point].concat())
}
