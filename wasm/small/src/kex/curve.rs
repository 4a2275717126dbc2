//! X25519 and ECDH over the NIST curves.

use crate::p521;
use denossh_fast::random::{self, Given};
use ring::agreement::{self, Algorithm, EphemeralPrivateKey, UnparsedPublicKey};

pub const X25519: &str = "x25519";
pub const NISTP256: &str = "nistp256";
/// Bytes of a scalar and of a public value of X25519.
pub const X25519_SIZE: usize = 32;

/// The name with a static lifetime; None for an unknown curve.
pub fn known(name: &str) -> Option<&'static str> {
    [X25519, NISTP256, "nistp384", p521::NAME].into_iter().find(|curve| *curve == name)
}

/// ring's curves, with the size of a scalar.
fn of_ring(name: &str) -> Option<(&'static Algorithm, usize)> {
    Some(match name {
        X25519 => (&agreement::X25519, X25519_SIZE),
        NISTP256 => (&agreement::ECDH_P256, 32),
        "nistp384" => (&agreement::ECDH_P384, 48),
        _ => return None,
    })
}

/// A scalar as ring's private key. None if it has the wrong length or is 0 or above the order.
fn private_key(name: &str, scalar: &[u8]) -> Option<EphemeralPrivateKey> {
    let (algorithm, size) = of_ring(name)?;
    if scalar.len() != size {
        return None;
    }
    // ring accepts a given scalar only through the random generator.
    EphemeralPrivateKey::generate(algorithm, &Given { bytes: scalar }).ok()
}

/// A uniformly random scalar with its public value.
pub fn generate(name: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let size = if name == p521::NAME { p521::SIZE } else { of_ring(name)?.1 };
    let mut scalar = vec![0; size];
    loop {
        random::fill(&mut scalar);
        if name == p521::NAME {
            scalar[0] &= 1; // the order has 521 bits
        }
        if let Some(public) = public_value(name, &scalar) {
            return Some((scalar, public));
        }
    }
}

pub fn public_value(name: &str, scalar: &[u8]) -> Option<Vec<u8>> {
    if name == p521::NAME {
        return p521::public_value(scalar);
    }
    Some(private_key(name, scalar)?.compute_public_key().ok()?.as_ref().into())
}

pub fn agree(name: &str, scalar: &[u8], peer: &[u8]) -> Option<Vec<u8>> {
    if name == p521::NAME {
        return p521::agree(scalar, peer);
    }
    let peer = UnparsedPublicKey::new(of_ring(name)?.0, peer);
    agreement::agree_ephemeral(private_key(name, scalar)?, &peer, |s| s.to_vec()).ok()
}
