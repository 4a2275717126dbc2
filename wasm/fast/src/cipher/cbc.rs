//! Cipher block chaining, for private key files and for packets of old peers.

use super::aes::Aes;
use des::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit, consts::U8};
use des::{Des, TdesEde3};

/// A cipher with the last block of ciphertext, which continues in the next packet.
pub enum Cbc {
    Aes(Box<Aes>, [u8; 16]),
    TripleDes(Box<TdesEde3>, [u8; 8]),
    Des(Box<Des>, [u8; 8]),
}

impl Cbc {
    /// None for an unknown name, or if a length does not fit.
    pub fn new(cipher: &str, key: &[u8], iv: &[u8]) -> Option<Cbc> {
        let aes = |size| {
            let chain = iv.try_into().ok()?;
            (key.len() == size).then(|| Cbc::Aes(Box::new(Aes::new(key)), chain))
        };
        match cipher {
            "aes128-cbc" => aes(16),
            "aes192-cbc" => aes(24),
            "aes256-cbc" => aes(32),
            "3des-cbc" => {
                let des = TdesEde3::new_from_slice(key).ok()?;
                Some(Cbc::TripleDes(Box::new(des), iv.try_into().ok()?))
            }
            "des-cbc" => {
                let des = Des::new_from_slice(key).ok()?;
                Some(Cbc::Des(Box::new(des), iv.try_into().ok()?))
            }
            _ => None,
        }
    }

    pub fn block(&self) -> usize {
        match self {
            Cbc::Aes(..) => 16,
            _ => 8,
        }
    }

    /// `data` is whole blocks.
    pub fn encrypt(&mut self, data: &mut [u8]) {
        match self {
            Cbc::Aes(aes, chain) => aes.cbc_encrypt(chain, data),
            Cbc::TripleDes(des, chain) => encrypt(des.as_ref(), chain, data),
            Cbc::Des(des, chain) => encrypt(des.as_ref(), chain, data),
        }
    }

    /// `data` is whole blocks.
    pub fn decrypt(&mut self, data: &mut [u8]) {
        match self {
            Cbc::Aes(aes, chain) => aes.cbc_decrypt(chain, data),
            Cbc::TripleDes(des, chain) => decrypt(des.as_ref(), chain, data),
            Cbc::Des(des, chain) => decrypt(des.as_ref(), chain, data),
        }
    }
}

fn encrypt<D>(des: &D, chain: &mut [u8; 8], data: &mut [u8])
where
    D: BlockCipherEncrypt + BlockSizeUser<BlockSize = U8>,
{
    for block in data.as_chunks_mut::<8>().0 {
        mix(block, chain);
        des.encrypt_block(block.into());
        *chain = *block;
    }
}

fn decrypt<D>(des: &D, chain: &mut [u8; 8], data: &mut [u8])
where
    D: BlockCipherDecrypt + BlockSizeUser<BlockSize = U8>,
{
    for block in data.as_chunks_mut::<8>().0 {
        let before = *block;
        des.decrypt_block(block.into());
        mix(block, chain);
        *chain = before;
    }
}

fn mix(block: &mut [u8; 8], with: &[u8; 8]) {
    block.iter_mut().zip(with).for_each(|(byte, other)| *byte ^= other);
}
