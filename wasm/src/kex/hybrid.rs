//! ML-KEM-768 (draft-ietf-sshm-mlkem-hybrid-kex) and Streamlined NTRU Prime (RFC 9941), each beside a
//! curve.

use super::curve::{self, NISTP256, X25519, X25519_SIZE};
use crate::hash::Hash;
use crate::memory::scrubbed;
use crate::random::{self, Fresh};
use ml_kem::kem::{Decapsulate, KeyExport};
use ml_kem::{Key, Seed, ml_kem_768 as mlkem};
use sntrup::{Sntrup761, sntrup761};
use wasm_bindgen::prelude::wasm_bindgen;

#[derive(Clone, Copy)]
enum Kem {
    MlKem768,
    Sntrup761,
}

/// A KEM and a curve, with the bytes of a point.
#[derive(Clone, Copy)]
pub struct Hybrid {
    kem: Kem,
    curve: &'static str,
    point: usize,
}

impl Hybrid {
    pub fn named(name: &str) -> Option<Hybrid> {
        Some(match name {
            "mlkem768x25519" => Hybrid { kem: Kem::MlKem768, curve: X25519, point: X25519_SIZE },
            "mlkem768nistp256" => Hybrid { kem: Kem::MlKem768, curve: NISTP256, point: 65 },
            "sntrup761x25519" => Hybrid { kem: Kem::Sntrup761, curve: X25519, point: X25519_SIZE },
            _ => return None,
        })
    }

    /// Bytes of the KEM's public key and of its ciphertext.
    fn sizes(self) -> (usize, usize) {
        match self.kem {
            Kem::MlKem768 => (1184, 1088),
            Kem::Sntrup761 => (1158, 1039),
        }
    }

    /// K = HASH(K_PQ || K_CL) in both.
    fn combine(self, post_quantum: &[u8], classical: &[u8]) -> Vec<u8> {
        let hash = match self.kem {
            Kem::MlKem768 => Hash::Sha256,
            Kem::Sntrup761 => Hash::Sha512,
        };
        hash.digest(&[post_quantum, classical])
    }

    /// The KEM's private key, the curve's scalar, and both public values as one.
    pub fn generate(self) -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        let (scalar, point) = curve::generate(self.curve)?;
        let (key, public) = match self.kem {
            Kem::MlKem768 => {
                let seed = random::bytes::<64>();
                (seed.to_vec(), encapsulation_key(&seed)?)
            }
            Kem::Sntrup761 => {
                let (public, key) = Sntrup761::generate_key(&mut Fresh);
                (key.as_ref().to_vec(), public.as_ref().to_vec())
            }
        };
        Some((key, scalar, [public, point].concat()))
    }

    pub fn finish(self, key: &[u8], scalar: &[u8], peer: &[u8]) -> Option<Vec<u8>> {
        let (ciphertext, point) = self.split(peer, self.sizes().1)?;
        let classical = curve::agree(self.curve, scalar, point)?;
        let post_quantum = match self.kem {
            Kem::MlKem768 => mlkem_decapsulate(key, ciphertext)?,
            Kem::Sntrup761 => sntrup761_decapsulate(key, ciphertext)?,
        };
        Some(self.combine(&post_quantum, &classical))
    }

    pub fn respond(self, peer: &[u8]) -> Option<Vec<u8>> {
        let (public, point) = self.split(peer, self.sizes().0)?;
        let (scalar, ours) = curve::generate(self.curve)?;
        let classical = curve::agree(self.curve, &scalar, point)?;
        let both = match self.kem {
            Kem::MlKem768 => mlkem_encapsulate(public, &random::bytes::<32>())?,
            Kem::Sntrup761 => {
                let key = sntrup761::EncapsulationKey::try_from(public).ok()?;
                let (ciphertext, secret) = key.encapsulate(&mut Fresh);
                [ciphertext.as_ref(), secret.as_ref()].concat()
            }
        };
        let (ciphertext, post_quantum) = both.split_at(self.sizes().1);
        Some([ciphertext, ours.as_slice(), &self.combine(post_quantum, &classical)].concat())
    }

    /// The KEM's part and the curve's.
    fn split(self, peer: &[u8], kem: usize) -> Option<(&[u8], &[u8])> {
        (peer.len() == kem + self.point).then(|| peer.split_at(kem))
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

/// For published vectors; a ciphertext that is not the key's gives a secret nobody knows.
#[wasm_bindgen]
pub fn sntrup761_decapsulate(key: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let key = sntrup761::DecapsulationKey::try_from(key).ok()?;
    let ciphertext = sntrup761::Ciphertext::try_from(ciphertext).ok()?;
    scrubbed(|| Some(key.decapsulate(&ciphertext).as_ref().to_vec()))
}
