//! RSASSA-PKCS1-v1_5 (RFC 8017 §8.2), as RFC 8332 uses it.

use crate::modular::{Modulus, combine, less_one, reduce};
use denossh_fast::hash::Hash;
use denossh_fast::memory::scrubbed;
use denossh_fast::random::Given;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature as sig;
use wasm_bindgen::prelude::wasm_bindgen;

/// In bytes: 16384 bits. The work grows with its cube, so a larger key is refused without parsing.
const MAX_MODULUS: usize = 2048;
/// The largest moduli that ring verifies and signs with, in bytes.
const RING_VERIFIES: usize = 1024;
const RING_SIGNS: usize = 512;
/// In bytes: OpenSSL's limit. A longer exponent only makes verifying slow.
const MAX_EXPONENT: usize = 8;
/// The largest exponent that ring verifies with, in bytes.
const RING_VERIFIES_EXPONENT: usize = 4;
/// ring signs with keys whose primes have a multiple of 512 bits.
const RING_SIZES: usize = 1024;
/// The smallest public exponent that ring signs with.
const RING_EXPONENT: u64 = 65537;
/// The smallest modulus, in bytes: 2048 bits.
const MIN_MODULUS: usize = 256;

fn strip(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| 8 * number.len() - first.leading_zeros() as usize)
}

/// Of at most eight bytes.
fn exponent(e: &[u8]) -> u64 {
    e.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[wasm_bindgen]
pub fn verify_rsa(hash: &str, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (n, e) = (strip(n), strip(e));
    if n.len() > MAX_MODULUS || signature.len() > n.len() || e.len() > MAX_EXPONENT {
        return false;
    }
    // Some signers drop leading zeros.
    let mut padded = vec![0; n.len() - signature.len()];
    padded.extend(signature);
    if n.len() > RING_VERIFIES || e.len() > RING_VERIFIES_EXPONENT {
        return verify_large(hash, n, e, message, &padded) == Some(true);
    }
    let parameters = match hash {
        "SHA-1" => &sig::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        "SHA-256" => &sig::RSA_PKCS1_2048_8192_SHA256,
        "SHA-512" => &sig::RSA_PKCS1_2048_8192_SHA512,
        _ => return false,
    };
    PublicKeyComponents { n, e }.verify(parameters, message, &padded).is_ok()
}

/// The same beyond ring's limits. Everything here is public.
fn verify_large(hash: &str, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
    let exponent = exponent(e);
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !odd(n) || !odd(e) || exponent < 3 || signature >= n {
        return Some(false);
    }
    let opened = Modulus::public(n)?.power(signature, e);
    let expected = encode(hash, n.len(), message)?;
    Some(strip(&opened) == strip(&expected))
}

/// EMSA-PKCS1-v1_5 (RFC 8017 §9.2): 00 01 ff ... 00, then DigestInfo.
fn encode(hash: &str, length: usize, message: &[u8]) -> Option<Vec<u8>> {
    let hash = Hash::named(hash)?;
    let identifier: &[u8] = match hash {
        Hash::Sha1 => &[0x2b, 0x0e, 0x03, 0x02, 0x1a],
        Hash::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
        Hash::Sha512 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
        _ => return None,
    };
    let digest = hash.digest(&[message]);
    let element = |tag: u8, parts: &[&[u8]]| {
        let contents = parts.concat();
        [&[tag, contents.len() as u8], &contents[..]].concat()
    };
    let algorithm = element(0x30, &[&element(0x06, &[identifier]), &[0x05, 0x00]]);
    let info = element(0x30, &[&algorithm, &element(0x04, &[&digest])]);
    let mut encoded = vec![0xff; length - info.len()];
    encoded[..2].copy_from_slice(&[0, 1]);
    *encoded.last_mut()? = 0;
    encoded.extend(info);
    Some(encoded)
}

/// None if the parts do not belong together or the size is not 2048 to 16384 bits.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)]
pub fn sign_rsa(
    hash: &str,
    n: &[u8],
    e: &[u8],
    d: &[u8],
    p: &[u8],
    q: &[u8],
    iqmp: &[u8],
    message: &[u8],
) -> Option<Vec<u8>> {
    scrubbed(|| sign(hash, (n, e), (d, p, q, iqmp), message))
}

fn sign(
    hash: &str,
    (n, e): (&[u8], &[u8]),
    (d, p, q, iqmp): (&[u8], &[u8], &[u8], &[u8]),
    message: &[u8],
) -> Option<Vec<u8>> {
    let (n, e, d, p, q) = (strip(n), strip(e), strip(d), strip(p), strip(q));
    if !(MIN_MODULUS..=MAX_MODULUS).contains(&n.len()) || e.len() > MAX_EXPONENT {
        return None;
    }
    if p.len() > n.len() || q.len() > n.len() || d.len() > n.len() || iqmp.len() > n.len() {
        return None;
    }
    let (dp, dq) = (reduce(d, &less_one(p))?, reduce(d, &less_one(q))?);
    let ring_signs = n.len() <= RING_SIGNS
        && bits(n).is_multiple_of(RING_SIZES)
        && (RING_EXPONENT..1 << 32).contains(&exponent(e));
    let padding: &dyn sig::RsaEncoding = match hash {
        "SHA-256" if ring_signs => &sig::RSA_PKCS1_SHA256,
        "SHA-512" if ring_signs => &sig::RSA_PKCS1_SHA512,
        _ => {
            return sign_plainly(
                &encode(hash, n.len(), message)?,
                (n, e),
                (p, &dp),
                (q, &dq),
                iqmp,
            );
        }
    };
    let key = KeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents { n, e },
        d,
        p,
        q,
        dP: strip(&dp),
        dQ: strip(&dq),
        qInv: strip(iqmp),
    })
    .ok()?;
    let mut signature = vec![0; key.public().modulus_len()];
    // PKCS#1 v1.5 padding is not randomized, but ring still requires a generator.
    key.sign(padding, &Given { bytes: &[] }, message, &mut signature).ok()?;
    Some(signature)
}

/// Signs in the cases that ring does not support: SHA-1, small and very large exponents, and moduli
/// beyond 4096 bits or of sizes that are not multiples of 1024 (RFC 8017 §5.2.1). The result is
/// verified before it is returned, since a wrong one would reveal the primes.
fn sign_plainly(
    encoded: &[u8],
    (n, e): (&[u8], &[u8]),
    (p, dp): (&[u8], &[u8]),
    (q, dq): (&[u8], &[u8]),
    iqmp: &[u8],
) -> Option<Vec<u8>> {
    let (by_p, by_q) = (Modulus::new(p)?, Modulus::new(q)?);
    let (x, y) = (by_p.power(encoded, dp), by_q.power(encoded, dq));
    let by_n = Modulus::public(n)?;
    let signature = combine(&by_n, (&by_p, &x), (q, &y), iqmp);
    (by_n.power(&signature, e) == encoded).then_some(signature)
}
