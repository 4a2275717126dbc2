//! The interface between framing and the ciphers: it protects the packets of one direction.

/// A packet is: uint32 packet_length, packet_length bytes, then `tag` bytes.
pub trait Protection {
    /// The cipher's block, and at least 8 (RFC 4253 §6).
    fn block(&self) -> usize;
    fn tag(&self) -> usize;
    /// Whether packet_length is left out of the alignment: AEAD ciphers and encrypt-then-MAC.
    fn length_apart(&self) -> bool;
    /// Whether packet_length itself is encrypted.
    fn length_hidden(&self) -> bool;
    /// The bytes that must have arrived before `length` may be called.
    fn lead(&self) -> usize {
        4
    }
    /// Whether the opener must continue reading after a forgery, to hide where it was detected
    /// (CVE-2008-5161).
    fn reads_on(&self) -> bool {
        false
    }
    /// Returns packet_length. Called once per packet, since it may decrypt the lead in place.
    fn length(&mut self, sequence: u32, lead: &mut [u8]) -> u32;
    /// Encrypts a framed packet in place and fills its tag.
    fn seal(&mut self, sequence: u32, packet: &mut [u8]);
    /// Verifies and decrypts in place. If false, the packet may hold anything: wipe it.
    fn open(&mut self, sequence: u32, packet: &mut [u8]) -> bool;
}
