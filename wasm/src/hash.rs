//! Digests and HMAC, by name.

use ring::{digest, hmac};
use wasm_bindgen::prelude::wasm_bindgen;

#[derive(Clone, Copy, PartialEq)]
pub enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// By the name that TypeScript uses.
    pub fn named(name: &str) -> Option<Hash> {
        Some(match name {
            "SHA-1" => Hash::Sha1,
            "SHA-256" => Hash::Sha256,
            "SHA-384" => Hash::Sha384,
            "SHA-512" => Hash::Sha512,
            _ => return None,
        })
    }

    pub fn size(self) -> usize {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }

    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut context = digest::Context::new(match self {
            Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        });
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().into()
    }
}

/// RFC 2104, with the key's two blocks absorbed once.
pub struct Hmac {
    hash: Hash,
    key: hmac::Key,
}

impl Hmac {
    pub fn new(hash: Hash, key: &[u8]) -> Self {
        let algorithm = match hash {
            Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha384 => hmac::HMAC_SHA384,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        Hmac { hash, key: hmac::Key::new(algorithm, key) }
    }

    pub fn size(&self) -> usize {
        self.hash.size()
    }

    pub fn tag(&self, parts: &[&[u8]], into: &mut [u8]) {
        let mut context = hmac::Context::with_key(&self.key);
        parts.iter().for_each(|part| context.update(part));
        into.copy_from_slice(context.sign().as_ref());
    }
}

#[wasm_bindgen]
pub fn digest(hash: &str, data: &[u8]) -> Option<Vec<u8>> {
    Some(Hash::named(hash)?.digest(&[data]))
}

#[wasm_bindgen]
pub fn hmac(hash: &str, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let mac = Hmac::new(Hash::named(hash)?, key);
    let mut tag = vec![0; mac.size()];
    mac.tag(&[data], &mut tag);
    Some(tag)
}

#[wasm_bindgen]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    crate::cipher::equal(a, b)
}
