//! ECDH and ECDSA over P-521 (RFC 5656), which ring lacks.

use denossh_fast::hash::Hash;
use denossh_fast::random::Fresh;
use p521::ecdsa::signature::hazmat::{PrehashVerifier, RandomizedPrehashSigner};
use p521::ecdsa::{Signature, SigningKey, VerifyingKey};
use p521::elliptic_curve::ecdh::diffie_hellman;
use p521::elliptic_curve::sec1::ToSec1Point;
use p521::{PublicKey, SecretKey};

pub const NAME: &str = "nistp521";
/// Bytes of a scalar and of a coordinate.
pub const SIZE: usize = 66;
/// Uncompressed: 04, X, Y.
const POINT: usize = 1 + 2 * SIZE;

fn secret_key(scalar: &[u8]) -> Option<SecretKey> {
    if scalar.len() != SIZE {
        return None;
    }
    SecretKey::from_slice(scalar).ok()
}

/// RFC 5656 §3.1 allows compressed points, but no implementation sends them, and ring refuses them.
fn public_key(point: &[u8]) -> Option<PublicKey> {
    if point.len() != POINT || point[0] != 4 {
        return None;
    }
    PublicKey::from_sec1_bytes(point).ok()
}

/// None if the scalar is 0, above the order or of a wrong length.
pub fn public_value(scalar: &[u8]) -> Option<Vec<u8>> {
    Some(secret_key(scalar)?.public_key().to_sec1_point(false).as_bytes().into())
}

/// The X coordinate of the shared point.
pub fn agree(scalar: &[u8], peer: &[u8]) -> Option<Vec<u8>> {
    let (ours, theirs) = (secret_key(scalar)?, public_key(peer)?);
    let shared = diffie_hellman(ours.to_nonzero_scalar(), theirs.as_affine());
    Some(shared.raw_secret_bytes().to_vec())
}

/// `r` and `s`, concatenated. The nonce is derived from the key, the message and fresh randomness
/// (RFC 6979 §3.6). None if the point does not match the scalar.
pub fn sign(scalar: &[u8], point: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    if public_value(scalar)? != point {
        return None;
    }
    let key = SigningKey::from_slice(scalar).ok()?;
    let digest = Hash::Sha512.digest(&[message]);
    let signature: Signature = key.sign_prehash_with_rng(&mut Fresh, &digest).ok()?;
    Some(signature.to_bytes().to_vec())
}

pub fn verify(point: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = VerifyingKey::from(public_key(point)?);
    let signature = Signature::from_slice(signature).ok()?;
    key.verify_prehash(&Hash::Sha512.digest(&[message]), &signature).ok()
}
