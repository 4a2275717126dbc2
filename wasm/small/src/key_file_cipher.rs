//! Ciphers for private key files: one call for the whole input, without padding.

use denossh_fast::cipher::aes::Aes;
use denossh_fast::cipher::aes_counter;
use denossh_fast::cipher::cbc::Cbc;
use denossh_fast::cipher::chacha_poly::ChaChaPoly;
use denossh_fast::cipher::gcm::AesGcm;
use denossh_fast::equal::equal;
use denossh_fast::memory::scrubbed;
use wasm_bindgen::prelude::wasm_bindgen;

/// For AEAD ciphers the tag is appended (`seal`) or expected after the data (`open`). None for a
/// bad tag, an unknown name, or lengths that do not fit.
#[wasm_bindgen]
pub fn crypt(cipher: &str, key: &[u8], iv: &[u8], data: &[u8], seal: bool) -> Option<Vec<u8>> {
    let mut data = data.to_vec();
    scrubbed(|| crypt_in_place(cipher, key, iv, &mut data, seal))?;
    Some(data)
}

fn crypt_in_place(
    cipher: &str,
    key: &[u8],
    iv: &[u8],
    data: &mut Vec<u8>,
    seal: bool,
) -> Option<()> {
    match cipher {
        "aes128-ctr" | "aes192-ctr" | "aes256-ctr" => ctr(bytes(cipher), key, iv, data),
        "aes128-gcm@openssh.com" | "aes256-gcm@openssh.com" => {
            gcm(bytes(cipher), key, iv, data, seal)
        }
        "chacha20-poly1305@openssh.com" => chacha(key, data, seal),
        _ => cbc(Cbc::new(cipher, key, iv)?, data, seal),
    }
}

/// The key size in a name like "aes256-ctr".
fn bytes(cipher: &str) -> usize {
    match &cipher[3..6] {
        "128" => 16,
        "192" => 24,
        _ => 32,
    }
}

fn ctr(size: usize, key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
    if key.len() != size {
        return None;
    }
    let mut counter = u128::from_be_bytes(iv.try_into().ok()?);
    aes_counter::ctr(&Aes::new(key), &mut counter, data);
    Some(())
}

fn cbc(mut cbc: Cbc, data: &mut [u8], seal: bool) -> Option<()> {
    if !data.len().is_multiple_of(cbc.block()) {
        return None;
    }
    match seal {
        true => cbc.encrypt(data),
        false => cbc.decrypt(data),
    }
    Some(())
}

fn gcm(size: usize, key: &[u8], iv: &[u8], data: &mut Vec<u8>, seal: bool) -> Option<()> {
    if key.len() != size {
        return None;
    }
    let (gcm, nonce) = (AesGcm::new(key), iv.try_into().ok()?);
    if seal {
        let tag = gcm.seal(nonce, &[], data);
        data.extend(tag);
        return Some(());
    }
    let (text, tag) = data.split_last_chunk_mut::<16>()?;
    if !gcm.open(nonce, &[], text, tag) {
        return None;
    }
    let length = text.len();
    data.truncate(length);
    Some(())
}

fn chacha(key: &[u8], data: &mut Vec<u8>, seal: bool) -> Option<()> {
    if key.len() != 64 {
        return None;
    }
    let mut cipher = ChaChaPoly::new(key);
    if seal {
        cipher.bare_xor(data);
        let tag = cipher.bare_tag(data);
        data.extend(tag);
        return Some(());
    }
    let (text, tag) = data.split_last_chunk_mut::<16>()?;
    if !equal(&cipher.bare_tag(text), tag) {
        return None;
    }
    cipher.bare_xor(text);
    let length = text.len();
    data.truncate(length);
    Some(())
}
