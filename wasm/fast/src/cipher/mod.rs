//! Selects the cipher and the MAC of one direction by name.

pub mod aes;
pub mod aes_counter;
mod aes_tables;
pub mod cbc;
mod chacha;
pub mod chacha_poly;
mod ctr_hmac;
pub mod gcm;
mod ghash;
mod none;
mod poly1305;
mod protection;
pub mod simd;

pub use none::none;
pub use protection::Protection;

use crate::hash::{Hash, Hmac};
use aes::Aes;
use cbc::Cbc;
use ctr_hmac::{Mode, Separate};

/// The number of key bytes for a pair of names.
pub struct Sizes {
    pub key: usize,
    pub iv: usize,
    pub mac_key: usize,
}

pub struct RawKeys {
    pub key: Vec<u8>,
    pub iv: Vec<u8>,
    pub mac_key: Vec<u8>,
}

impl RawKeys {
    pub fn new(key: &[u8], iv: &[u8], mac_key: &[u8]) -> Self {
        RawKeys { key: key.into(), iv: iv.into(), mac_key: mac_key.into() }
    }
}

enum Kind {
    None,
    ChaCha,
    Gcm,
    Ctr,
    Cbc,
}

fn kind(cipher: &str) -> Option<(Kind, usize, usize)> {
    Some(match cipher {
        "none" => (Kind::None, 0, 0),
        "chacha20-poly1305@openssh.com" => (Kind::ChaCha, 64, 0),
        "aes128-gcm@openssh.com" => (Kind::Gcm, 16, 12),
        "aes256-gcm@openssh.com" => (Kind::Gcm, 32, 12),
        "aes128-ctr" => (Kind::Ctr, 16, 16),
        "aes192-ctr" => (Kind::Ctr, 24, 16),
        "aes256-ctr" => (Kind::Ctr, 32, 16),
        "aes128-cbc" => (Kind::Cbc, 16, 16),
        "aes192-cbc" => (Kind::Cbc, 24, 16),
        "aes256-cbc" => (Kind::Cbc, 32, 16),
        "3des-cbc" => (Kind::Cbc, 24, 8),
        _ => return None,
    })
}

/// The hash of a MAC, and whether it is computed over the ciphertext.
fn mac(name: &str) -> Option<(Hash, bool)> {
    let (base, etm) = match name.strip_suffix("-etm@openssh.com") {
        Some(base) => (base, true),
        None => (name, false),
    };
    let hash = match base {
        "hmac-sha2-256" => Hash::Sha256,
        "hmac-sha2-512" => Hash::Sha512,
        "hmac-sha1" => Hash::Sha1,
        _ => return None,
    };
    Some((hash, etm))
}

pub fn sizes(cipher: &str, mac_name: &str) -> Option<Sizes> {
    let (kind, key, iv) = kind(cipher)?;
    let mac_key = match kind {
        Kind::Ctr | Kind::Cbc => mac(mac_name)?.0.size(),
        _ => 0,
    };
    Some(Sizes { key, iv, mac_key })
}

/// None if a name is unknown or a key has the wrong length.
pub fn protection(cipher: &str, mac_name: &str, keys: &RawKeys) -> Option<Box<dyn Protection>> {
    let (kind, key, iv) = kind(cipher)?;
    if keys.key.len() != key || keys.iv.len() != iv {
        return None;
    }
    let mode = match kind {
        Kind::None => return Some(none()),
        Kind::ChaCha => return Some(Box::new(chacha_poly::ChaChaPoly::new(&keys.key))),
        Kind::Gcm => return Some(Box::new(gcm::Gcm::new(&keys.key, &keys.iv))),
        Kind::Ctr => {
            let counter = u128::from_be_bytes(keys.iv.as_slice().try_into().ok()?);
            Mode::Ctr(Box::new(Aes::new(&keys.key)), counter)
        }
        Kind::Cbc => Mode::Cbc(Cbc::new(cipher, &keys.key, &keys.iv)?),
    };
    let (hash, etm) = mac(mac_name)?;
    if keys.mac_key.len() != hash.size() {
        return None;
    }
    Some(Box::new(Separate::new(mode, Hmac::new(hash, &keys.mac_key), etm)))
}
