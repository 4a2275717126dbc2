//! MD5 (RFC 1321), only for old fingerprints and old encrypted PEM.

use md5::{Digest, Md5};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
pub fn md5(data: &[u8]) -> Vec<u8> {
    Md5::digest(data).to_vec()
}
