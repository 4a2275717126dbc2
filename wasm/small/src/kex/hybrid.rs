//! ML-KEM-768 (draft-ietf-sshm-mlkem-hybrid-kex) and Streamlined NTRU Prime (RFC 9941), each
//! combined with a curve.

use super::curve::{self, NISTP256, X25519, X25519_SIZE};
use denossh_fast::hash::Hash;
use denossh_fast::kem;
use denossh_fast::random;

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
                (seed.to_vec(), kem::encapsulation_key(&seed)?)
            }
            Kem::Sntrup761 => kem::sntrup761_generate(),
        };
        Some((key, scalar, [public, point].concat()))
    }

    pub fn finish(self, key: &[u8], scalar: &[u8], peer: &[u8]) -> Option<Vec<u8>> {
        let (ciphertext, point) = self.split(peer, self.sizes().1)?;
        let classical = curve::agree(self.curve, scalar, point)?;
        let post_quantum = match self.kem {
            Kem::MlKem768 => kem::mlkem_decapsulate(key, ciphertext)?,
            Kem::Sntrup761 => kem::sntrup761_decapsulate(key, ciphertext)?,
        };
        Some(self.combine(&post_quantum, &classical))
    }

    pub fn respond(self, peer: &[u8]) -> Option<Vec<u8>> {
        let (public, point) = self.split(peer, self.sizes().0)?;
        let (scalar, ours) = curve::generate(self.curve)?;
        let classical = curve::agree(self.curve, &scalar, point)?;
        let both = match self.kem {
            Kem::MlKem768 => kem::mlkem_encapsulate(public, &random::bytes::<32>())?,
            Kem::Sntrup761 => kem::sntrup761_encapsulate(public)?,
        };
        let (ciphertext, post_quantum) = both.split_at(self.sizes().1);
        Some([ciphertext, ours.as_slice(), &self.combine(post_quantum, &classical)].concat())
    }

    /// The KEM's part and the curve's.
    fn split(self, peer: &[u8], kem: usize) -> Option<(&[u8], &[u8])> {
        (peer.len() == kem + self.point).then(|| peer.split_at(kem))
    }
}
