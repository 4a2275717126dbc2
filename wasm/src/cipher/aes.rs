//! AES in the modes that need no authentication of their own.

use ::aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};
use ::aes::{Aes128, Aes192, Aes256};

pub enum Aes {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
}

impl Aes {
    pub fn new(key: &[u8]) -> Self {
        match key.len() {
            16 => Aes::Aes128(Aes128::new(key.into())),
            24 => Aes::Aes192(Aes192::new(key.into())),
            _ => Aes::Aes256(Aes256::new(key.into())),
        }
    }

    pub fn encrypt(&self, block: &mut [u8; 16]) {
        let block = block.into();
        match self {
            Aes::Aes128(aes) => aes.encrypt_block(block),
            Aes::Aes192(aes) => aes.encrypt_block(block),
            Aes::Aes256(aes) => aes.encrypt_block(block),
        }
    }

    pub fn decrypt(&self, block: &mut [u8; 16]) {
        let block = block.into();
        match self {
            Aes::Aes128(aes) => aes.decrypt_block(block),
            Aes::Aes192(aes) => aes.decrypt_block(block),
            Aes::Aes256(aes) => aes.decrypt_block(block),
        }
    }

    /// RFC 4344 §4: the counter is a 128-bit big-endian number. Whole blocks.
    pub fn ctr(&self, counter: &mut [u8; 16], data: &mut [u8]) {
        for chunk in data.chunks_mut(16) {
            let mut stream = *counter;
            self.encrypt(&mut stream);
            chunk.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
            *counter = (u128::from_be_bytes(*counter).wrapping_add(1)).to_be_bytes();
        }
    }

    pub fn cbc_encrypt(&self, iv: &mut [u8; 16], data: &mut [u8]) {
        for block in data.as_chunks_mut::<16>().0 {
            block.iter_mut().zip(*iv).for_each(|(byte, last)| *byte ^= last);
            self.encrypt(block);
            *iv = *block;
        }
    }

    pub fn cbc_decrypt(&self, iv: &mut [u8; 16], data: &mut [u8]) {
        for block in data.as_chunks_mut::<16>().0 {
            let cipher = *block;
            self.decrypt(block);
            block.iter_mut().zip(*iv).for_each(|(byte, last)| *byte ^= last);
            *iv = cipher;
        }
    }
}
