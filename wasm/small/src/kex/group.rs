//! Diffie-Hellman modulo a safe prime (RFC 4253 §8, RFC 4419).

use crate::modular::Modulus;
use denossh_fast::random;

/// Bytes of a private exponent: the 400 bits that RFC 7919 §5.2 requires for a prime of 8192 bits.
const EXPONENT: usize = 50;

pub struct Group {
    modulus: Modulus,
    prime: Vec<u8>,
    generator: Vec<u8>,
}

impl Group {
    /// None for an even modulus.
    pub fn new(prime: &[u8], generator: &[u8]) -> Option<Group> {
        let modulus = Modulus::public(prime)?;
        Some(Group { modulus, prime: prime.into(), generator: generator.into() })
    }

    /// A private exponent with its public value, which is as long as the prime.
    pub fn generate(&self) -> (Vec<u8>, Vec<u8>) {
        let exponent = random::bytes::<EXPONENT>().to_vec();
        let public = self.modulus.power(&self.generator, &exponent);
        (exponent, public)
    }

    /// The shared secret, as long as the prime. None for a peer's value outside of 2 to p - 2,
    /// since with the others the secret can only be 1 or p - 1.
    pub fn agree(&self, exponent: &[u8], peer: &[u8]) -> Option<Vec<u8>> {
        let size = self.prime.len();
        if peer.len() > size {
            return None;
        }
        let mut value = vec![0; size];
        value[size - peer.len()..].copy_from_slice(peer);
        let mut one = vec![0; size];
        *one.last_mut()? = 1;
        let mut last = self.prime.clone();
        *last.last_mut()? -= 1; // a prime is odd: no borrow
        if value <= one || value >= last {
            return None;
        }
        Some(self.modulus.power(&value, exponent))
    }
}
