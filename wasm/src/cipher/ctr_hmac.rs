//! A cipher and an HMAC beside it, in both orders: encrypt-and-MAC (RFC 4253 §6.4) and
//! encrypt-then-MAC (OpenSSH PROTOCOL §1.5, where packet_length stays in clear).

use super::aes::Aes;
use super::{Protection, equal};
use crate::hash::Hmac;

#[derive(Clone, Copy)]
pub enum Mode {
    Ctr,
    Cbc,
}

pub struct Separate {
    mode: Mode,
    aes: Aes,
    /// CTR: the next counter. State runs on between packets.
    counter: u128,
    /// CBC: the last block of ciphertext.
    chain: [u8; 16],
    mac: Hmac,
    etm: bool,
}

impl Separate {
    pub fn new(mode: Mode, key: &[u8], iv: &[u8], mac: Hmac, etm: bool) -> Self {
        let chain: [u8; 16] = iv.try_into().expect("16 bytes");
        let counter = u128::from_be_bytes(chain);
        Separate { mode, aes: Aes::new(key), counter, chain, mac, etm }
    }

    fn encrypt(&mut self, data: &mut [u8]) {
        match self.mode {
            Mode::Ctr => self.aes.ctr(&mut self.counter, data),
            Mode::Cbc => self.aes.cbc_encrypt(&mut self.chain, data),
        }
    }

    fn decrypt(&mut self, data: &mut [u8]) {
        match self.mode {
            Mode::Ctr => self.aes.ctr(&mut self.counter, data),
            Mode::Cbc => self.aes.cbc_decrypt(&mut self.chain, data),
        }
    }

    fn authentic(&self, sequence: u32, text: &[u8], tag: &[u8]) -> bool {
        let mut expected = [0; 64];
        let expected = &mut expected[..tag.len()];
        self.mac.tag(&[&sequence.to_be_bytes(), text], expected);
        equal(expected, tag)
    }
}

impl Protection for Separate {
    fn block(&self) -> usize {
        16
    }
    fn tag(&self) -> usize {
        self.mac.size()
    }
    fn length_apart(&self) -> bool {
        self.etm
    }
    fn length_hidden(&self) -> bool {
        !self.etm
    }
    fn lead(&self) -> usize {
        if self.etm { 4 } else { 16 }
    }

    fn length(&mut self, _: u32, lead: &mut [u8]) -> u32 {
        if !self.etm {
            self.decrypt(lead);
        }
        u32::from_be_bytes([lead[0], lead[1], lead[2], lead[3]])
    }

    fn seal(&mut self, sequence: u32, packet: &mut [u8]) {
        let (text, tag) = packet.split_at_mut(packet.len() - self.mac.size());
        if self.etm {
            self.encrypt(&mut text[4..]);
        }
        self.mac.tag(&[&sequence.to_be_bytes(), text], tag);
        if !self.etm {
            self.encrypt(text);
        }
    }

    fn open(&mut self, sequence: u32, packet: &mut [u8]) -> bool {
        let (text, tag) = packet.split_at_mut(packet.len() - self.mac.size());
        if self.etm {
            if !self.authentic(sequence, text, tag) {
                return false;
            }
            self.decrypt(&mut text[4..]);
            return true;
        }
        self.decrypt(&mut text[16..]); // `length` decrypted the first block
        self.authentic(sequence, text, tag)
    }
}
