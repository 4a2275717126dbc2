//! Ephemeral key agreement: X25519, ECDH over the NIST curves, and ML-KEM-768 beside X25519.

use crate::hash::Hash;
use crate::memory::scrubbed;
use crate::p521;
use crate::random::{self, Given};
use ml_kem::kem::{Decapsulate, KeyExport};
use ml_kem::{Key, Seed, ml_kem_768 as mlkem};
use ring::agreement::{self, Algorithm, EphemeralPrivateKey, UnparsedPublicKey};
use wasm_bindgen::prelude::wasm_bindgen;

const MLKEM_PUBLIC: usize = 1184;
const MLKEM_CIPHERTEXT: usize = 1088;
const X25519: usize = 32;

fn curve(name: &str) -> Option<(&'static Algorithm, usize)> {
    Some(match name {
        "x25519" => (&agreement::X25519, X25519),
        "nistp256" => (&agreement::ECDH_P256, 32),
        "nistp384" => (&agreement::ECDH_P384, 48),
        _ => return None,
    })
}

fn scalar_size(name: &str) -> Option<usize> {
    if name == p521::NAME { Some(p521::SIZE) } else { Some(curve(name)?.1) }
}

/// A scalar as ring's private key. None if it has the wrong length or is 0 or above the order.
fn private_key(name: &str, scalar: &[u8]) -> Option<EphemeralPrivateKey> {
    let (algorithm, size) = curve(name)?;
    if scalar.len() != size {
        return None;
    }
    // ring lets a caller choose the scalar only by choosing what is random.
    EphemeralPrivateKey::generate(algorithm, &Given { bytes: scalar }).ok()
}

/// A uniformly random scalar with its public value.
pub fn generate(name: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut scalar = vec![0; scalar_size(name)?];
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

/// The raw shared secret. None for a point off the curve, or an all-zero result (RFC 7748 §6.1).
#[wasm_bindgen]
pub fn agree(name: &str, scalar: &[u8], peer: &[u8]) -> Option<Vec<u8>> {
    scrubbed(|| {
        if name == p521::NAME {
            return p521::agree(scalar, peer);
        }
        let peer = UnparsedPublicKey::new(curve(name)?.0, peer);
        agreement::agree_ephemeral(private_key(name, scalar)?, &peer, |s| s.to_vec()).ok()
    })
}

/// draft-ietf-sshm-mlkem-hybrid-kex §2.4: K = HASH(K_PQ || K_CL).
fn combine(post_quantum: &[u8], classical: &[u8]) -> Vec<u8> {
    Hash::Sha256.digest(&[post_quantum, classical])
}

/// The initiator's half of a key exchange.
#[wasm_bindgen]
pub struct Initiator {
    curve: &'static str,
    scalar: Vec<u8>,
    /// ML-KEM's decapsulation key, for the hybrid.
    seed: Option<Vec<u8>>,
    public: Vec<u8>,
}

#[wasm_bindgen]
impl Initiator {
    /// None for an unknown name.
    pub fn start(name: &str) -> Option<Initiator> {
        let hybrid = name == "mlkem768x25519";
        let curve = match name {
            "mlkem768x25519" | "x25519" => "x25519",
            "nistp256" => "nistp256",
            "nistp384" => "nistp384",
            p521::NAME => p521::NAME,
            _ => return None,
        };
        let (scalar, mut public) = scrubbed(|| generate(curve))?;
        let mut seed = None;
        if hybrid {
            let mut bytes = vec![0; 64];
            random::fill(&mut bytes);
            let mut both = scrubbed(|| encapsulation_key(&bytes))?;
            both.append(&mut public);
            (public, seed) = (both, Some(bytes));
        }
        Some(Initiator { curve, scalar, seed, public })
    }

    pub fn public_value(&self) -> Vec<u8> {
        self.public.clone()
    }

    /// The shared secret, raw; for the hybrid already combined. None if the peer's value is bad.
    pub fn finish(&self, peer: &[u8]) -> Option<Vec<u8>> {
        scrubbed(|| self.agreed(peer))
    }

    fn agreed(&self, peer: &[u8]) -> Option<Vec<u8>> {
        let Some(seed) = &self.seed else { return agree(self.curve, &self.scalar, peer) };
        if peer.len() != MLKEM_CIPHERTEXT + X25519 {
            return None;
        }
        let (ciphertext, point) = peer.split_at(MLKEM_CIPHERTEXT);
        let classical = agree(self.curve, &self.scalar, point)?;
        Some(combine(&mlkem_decapsulate(seed, ciphertext)?, &classical))
    }
}

/// The responder's whole part: its public value, then the secret as `finish` gives it.
#[wasm_bindgen]
pub fn respond(name: &str, peer: &[u8]) -> Option<Vec<u8>> {
    scrubbed(|| answer(name, peer))
}

fn answer(name: &str, peer: &[u8]) -> Option<Vec<u8>> {
    let hybrid = name == "mlkem768x25519";
    let curve = if hybrid { "x25519" } else { name };
    let (scalar, public) = generate(curve)?;
    if hybrid {
        if peer.len() != MLKEM_PUBLIC + X25519 {
            return None;
        }
        let (key, point) = peer.split_at(MLKEM_PUBLIC);
        let classical = agree(curve, &scalar, point)?;
        let both = mlkem_encapsulate(key, &random::bytes::<32>())?;
        let (ciphertext, post_quantum) = both.split_at(MLKEM_CIPHERTEXT);
        Some([ciphertext, &public, &combine(post_quantum, &classical)].concat())
    } else {
        Some([public, agree(curve, &scalar, peer)?].concat())
    }
}

#[wasm_bindgen]
pub fn encapsulation_key(seed: &[u8]) -> Option<Vec<u8>> {
    let seed = Seed::try_from(seed).ok()?;
    let key = mlkem::DecapsulationKey::from_seed(seed);
    Some(key.encapsulation_key().to_bytes().to_vec())
}

/// Ciphertext, then shared secret. None if the key has coefficients out of range (FIPS 203 §7.2).
#[wasm_bindgen]
pub fn mlkem_encapsulate(key: &[u8], random: &[u8]) -> Option<Vec<u8>> {
    let key = Key::<mlkem::EncapsulationKey>::try_from(key).ok()?;
    let random = ml_kem::B32::try_from(random).ok()?;
    let key = mlkem::EncapsulationKey::new(&key).ok()?;
    let (ciphertext, secret) = key.encapsulate_deterministic(&random);
    Some([ciphertext.as_slice(), secret.as_slice()].concat())
}

#[wasm_bindgen]
pub fn mlkem_decapsulate(seed: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let key = mlkem::DecapsulationKey::from_seed(Seed::try_from(seed).ok()?);
    let ciphertext = mlkem::Ciphertext::try_from(ciphertext).ok()?;
    Some(key.decapsulate(&ciphertext).to_vec())
}
