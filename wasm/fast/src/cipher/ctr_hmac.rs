//! A cipher with an HMAC, in both orders: encrypt-and-MAC (RFC 4253 §6.4) and encrypt-then-MAC
//! (OpenSSH PROTOCOL §1.5, with packet_length in clear).

use super::aes::Aes;
use super::aes_counter::ctr;
use super::cbc::Cbc;
use super::protection::Protection;
use crate::equal::equal;
use crate::hash::Hmac;

/// The cipher of one direction; its state continues in the next packet.
pub enum Mode {
    /// With the next counter.
    Ctr(Box<Aes>, u128),
    Cbc(Cbc),
}

impl Mode {
    fn block(&self) -> usize {
        match self {
            Mode::Ctr(..) => 16,
            Mode::Cbc(cbc) => cbc.block(),
        }
    }

    fn encrypt(&mut self, data: &mut [u8]) {
        match self {
            Mode::Ctr(aes, counter) => ctr(aes, counter, data),
            Mode::Cbc(cbc) => cbc.encrypt(data),
        }
    }

    fn decrypt(&mut self, data: &mut [u8]) {
        match self {
            Mode::Ctr(aes, counter) => ctr(aes, counter, data),
            Mode::Cbc(cbc) => cbc.decrypt(data),
        }
    }
}

pub struct Separate {
    mode: Mode,
    mac: Hmac,
    etm: bool,
}

impl Separate {
    pub fn new(mode: Mode, mac: Hmac, etm: bool) -> Self {
        Separate { mode, mac, etm }
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
        self.mode.block()
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
        if self.etm { 4 } else { self.mode.block() }
    }
    fn reads_on(&self) -> bool {
        !self.etm && matches!(self.mode, Mode::Cbc(_))
    }

    fn length(&mut self, _: u32, lead: &mut [u8]) -> u32 {
        if !self.etm {
            self.mode.decrypt(lead);
        }
        u32::from_be_bytes([lead[0], lead[1], lead[2], lead[3]])
    }

    fn seal(&mut self, sequence: u32, packet: &mut [u8]) {
        let (text, tag) = packet.split_at_mut(packet.len() - self.mac.size());
        if self.etm {
            self.mode.encrypt(&mut text[4..]);
        }
        self.mac.tag(&[&sequence.to_be_bytes(), text], tag);
        if !self.etm {
            self.mode.encrypt(text);
        }
    }

    fn open(&mut self, sequence: u32, packet: &mut [u8]) -> bool {
        let (text, tag) = packet.split_at_mut(packet.len() - self.mac.size());
        if self.etm {
            if !self.authentic(sequence, text, tag) {
                return false;
            }
            self.mode.decrypt(&mut text[4..]);
            return true;
        }
        self.mode.decrypt(&mut text[self.mode.block()..]); // `length` decrypted the first block
        self.authentic(sequence, text, tag)
    }
}
