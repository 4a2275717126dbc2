//! Digests and HMAC, by name.

mod constants;
mod sha1;
mod sha256;
mod sha512;
mod stream;

use crate::memory::scrubbed;
use sha1::Sha1;
use sha256::{Sha224, Sha256};
use sha512::{Sha384, Sha512, Sha512Cut256};
use stream::{Function, Keyed, Stream};
use wasm_bindgen::prelude::wasm_bindgen;

#[derive(Clone, Copy, PartialEq)]
pub enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512Cut256,
}

impl Hash {
    /// Selects a hash by its name in TypeScript.
    pub fn named(name: &str) -> Option<Hash> {
        Some(match name {
            "SHA-1" => Hash::Sha1,
            "SHA-224" => Hash::Sha224,
            "SHA-256" => Hash::Sha256,
            "SHA-384" => Hash::Sha384,
            "SHA-512" => Hash::Sha512,
            "SHA-512/256" => Hash::Sha512Cut256,
            _ => return None,
        })
    }

    pub fn size(self) -> usize {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha224 => 28,
            Hash::Sha256 | Hash::Sha512Cut256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }

    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut into = vec![0; self.size()];
        match self {
            Hash::Sha1 => digest_with::<Sha1>(parts, &mut into),
            Hash::Sha224 => digest_with::<Sha224>(parts, &mut into),
            Hash::Sha256 => digest_with::<Sha256>(parts, &mut into),
            Hash::Sha384 => digest_with::<Sha384>(parts, &mut into),
            Hash::Sha512 => digest_with::<Sha512>(parts, &mut into),
            Hash::Sha512Cut256 => digest_with::<Sha512Cut256>(parts, &mut into),
        }
        into
    }
}

fn digest_with<F: Function>(parts: &[&[u8]], into: &mut [u8]) {
    let mut stream = Stream::<F>::new();
    parts.iter().for_each(|part| stream.update(part));
    stream.finish(into);
}

/// HMAC with a key, for any number of messages.
pub enum Hmac {
    Sha1(Keyed<Sha1>),
    Sha224(Keyed<Sha224>),
    Sha256(Keyed<Sha256>),
    Sha384(Keyed<Sha384>),
    Sha512(Keyed<Sha512>),
    Sha512Cut256(Keyed<Sha512Cut256>),
}

impl Hmac {
    pub fn new(hash: Hash, key: &[u8]) -> Self {
        match hash {
            Hash::Sha1 => Hmac::Sha1(Keyed::new(key, hash.size())),
            Hash::Sha224 => Hmac::Sha224(Keyed::new(key, hash.size())),
            Hash::Sha256 => Hmac::Sha256(Keyed::new(key, hash.size())),
            Hash::Sha384 => Hmac::Sha384(Keyed::new(key, hash.size())),
            Hash::Sha512 => Hmac::Sha512(Keyed::new(key, hash.size())),
            Hash::Sha512Cut256 => Hmac::Sha512Cut256(Keyed::new(key, hash.size())),
        }
    }

    pub fn size(&self) -> usize {
        match self {
            Hmac::Sha1(_) => Hash::Sha1.size(),
            Hmac::Sha224(_) => Hash::Sha224.size(),
            Hmac::Sha256(_) => Hash::Sha256.size(),
            Hmac::Sha384(_) => Hash::Sha384.size(),
            Hmac::Sha512(_) => Hash::Sha512.size(),
            Hmac::Sha512Cut256(_) => Hash::Sha512Cut256.size(),
        }
    }

    /// `into` must have the size of the hash.
    pub fn tag(&self, parts: &[&[u8]], into: &mut [u8]) {
        match self {
            Hmac::Sha1(keyed) => keyed.tag(parts, into),
            Hmac::Sha224(keyed) => keyed.tag(parts, into),
            Hmac::Sha256(keyed) => keyed.tag(parts, into),
            Hmac::Sha384(keyed) => keyed.tag(parts, into),
            Hmac::Sha512(keyed) => keyed.tag(parts, into),
            Hmac::Sha512Cut256(keyed) => keyed.tag(parts, into),
        }
    }
}

#[wasm_bindgen]
pub fn digest(hash: &str, data: &[u8]) -> Option<Vec<u8>> {
    Some(Hash::named(hash)?.digest(&[data]))
}

#[wasm_bindgen]
pub fn hmac(hash: &str, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let hash = Hash::named(hash)?;
    let mut tag = vec![0; hash.size()];
    scrubbed(|| Hmac::new(hash, key).tag(&[data], &mut tag));
    Some(tag)
}
