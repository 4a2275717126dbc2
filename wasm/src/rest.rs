//! Ciphers for private keys at rest: one call, whole input, no padding.

use crate::cipher::aes::Aes;
use crate::cipher::chacha_poly::ChaChaPoly;
use crate::cipher::equal;
use crate::cipher::gcm::AesGcm;
use crate::memory::scrubbed;
use des::cipher::{BlockDecrypt, BlockEncrypt, BlockSizeUser, KeyInit, consts::U8};
use des::{Des, TdesEde3};
use wasm_bindgen::prelude::wasm_bindgen;

/// For AEAD ciphers the tag is appended (`seal`) or expected behind the data (`open`). None for a
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
        "aes128-cbc" | "aes192-cbc" | "aes256-cbc" => cbc(bytes(cipher), key, iv, data, seal),
        "aes128-gcm@openssh.com" | "aes256-gcm@openssh.com" => {
            gcm(bytes(cipher), key, iv, data, seal)
        }
        "chacha20-poly1305@openssh.com" => chacha(key, data, seal),
        "3des-cbc" => des_cbc::<TdesEde3>(key, iv, data, seal),
        "des-cbc" => des_cbc::<Des>(key, iv, data, seal),
        _ => None,
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

fn aes(size: usize, key: &[u8], iv: &[u8]) -> Option<(Aes, [u8; 16])> {
    if key.len() != size {
        return None;
    }
    Some((Aes::new(key), iv.try_into().ok()?))
}

fn ctr(size: usize, key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
    let (aes, iv) = aes(size, key, iv)?;
    aes.ctr(&mut u128::from_be_bytes(iv), data);
    Some(())
}

fn cbc(size: usize, key: &[u8], iv: &[u8], data: &mut [u8], seal: bool) -> Option<()> {
    let (aes, mut iv) = aes(size, key, iv)?;
    if !data.len().is_multiple_of(16) {
        return None;
    }
    match seal {
        true => aes.cbc_encrypt(&mut iv, data),
        false => aes.cbc_decrypt(&mut iv, data),
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

fn des_cbc<D>(key: &[u8], iv: &[u8], data: &mut [u8], seal: bool) -> Option<()>
where
    D: KeyInit + BlockEncrypt + BlockDecrypt + BlockSizeUser<BlockSize = U8>,
{
    let des = D::new_from_slice(key).ok()?;
    let mut chain: [u8; 8] = iv.try_into().ok()?;
    let (blocks, []) = data.as_chunks_mut::<8>() else { return None };
    let mix = |block: &mut [u8; 8], with: [u8; 8]| {
        block.iter_mut().zip(with).for_each(|(byte, other)| *byte ^= other);
    };
    for block in blocks {
        let before = *block;
        if seal {
            mix(block, chain);
            des.encrypt_block(block.into());
            chain = *block;
        } else {
            des.decrypt_block(block.into());
            mix(block, chain);
            chain = before;
        }
    }
    Some(())
}
