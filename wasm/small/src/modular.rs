//! Arithmetic on big numbers that ring does not export. Numbers are big-endian bytes; for secret
//! ones the time depends only on their lengths.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, NonZero, Odd};

/// An odd modulus, prepared for exponentiation.
pub struct Modulus {
    parameters: BoxedMontyParams,
    bytes: usize,
}

impl Modulus {
    /// A secret modulus. None for an even number.
    pub fn new(number: &[u8]) -> Option<Modulus> {
        let odd = Odd::new(read(number, number.len())).into_option()?;
        Some(Modulus { parameters: BoxedMontyParams::new(odd), bytes: number.len() })
    }

    /// A public modulus. None for an even number.
    pub fn public(number: &[u8]) -> Option<Modulus> {
        let odd = Odd::new(read(number, number.len())).into_option()?;
        Some(Modulus { parameters: BoxedMontyParams::new_vartime(odd), bytes: number.len() })
    }

    /// `base ^ exponent`, as long as the modulus.
    pub fn power(&self, base: &[u8], exponent: &[u8]) -> Vec<u8> {
        let exponent = read(exponent, exponent.len());
        self.write(self.residue(base).pow(&exponent))
    }

    fn residue(&self, number: &[u8]) -> BoxedMontyForm {
        let modulus = self.parameters.modulus().as_nz_ref();
        BoxedMontyForm::new(read(number, number.len()).rem(modulus), &self.parameters)
    }

    fn write(&self, residue: BoxedMontyForm) -> Vec<u8> {
        write(&residue.retrieve(), self.bytes)
    }
}

/// `number mod modulus`, as long as the modulus. None for a modulus of 0.
pub fn reduce(number: &[u8], modulus: &[u8]) -> Option<Vec<u8>> {
    let size = modulus.len();
    let modulus = NonZero::new(read(modulus, size)).into_option()?;
    Some(write(&read(number, number.len()).rem(&modulus), size))
}

/// `number - 1` for an odd number.
pub fn less_one(odd: &[u8]) -> Vec<u8> {
    let mut even = odd.to_vec();
    if let Some(last) = even.last_mut() {
        *last &= 0xfe;
    }
    even
}

/// The number below `n` = `p q` that is `(x, y)` modulo `(p, q)`, where `inverse` is 1/q mod p (RFC
/// 8017
/// §5.1.2); as long as `n`.
pub fn combine(
    n: &Modulus,
    (p, x): (&Modulus, &[u8]),
    (q, y): (&[u8], &[u8]),
    inverse: &[u8],
) -> Vec<u8> {
    let difference = p.residue(x).sub(&p.residue(y));
    let multiple = p.write(difference.mul(&p.residue(inverse)));
    // The sum is below n, so reducing it by n does not change it.
    n.write(n.residue(q).mul(&n.residue(&multiple)).add(&n.residue(y)))
}

fn read(number: &[u8], bytes: usize) -> BoxedUint {
    BoxedUint::from_be_slice_truncated(number, 8 * bytes.max(1) as u32)
}

fn write(number: &BoxedUint, bytes: usize) -> Vec<u8> {
    let digits = number.to_be_bytes();
    let mut written = vec![0; bytes];
    let common = bytes.min(digits.len());
    written[bytes - common..].copy_from_slice(&digits[digits.len() - common..]);
    written
}
