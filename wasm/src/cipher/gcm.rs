use super::Protection;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

pub struct Gcm {
    key: LessSafeKey,
    fixed: [u8; 4],
    counter: u64,
}

impl Gcm {
    pub fn new(key: &[u8], iv: &[u8]) -> Self {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).expect("a key"));
        let counter = u64::from_be_bytes(iv[4..].try_into().expect("8 bytes"));
        Gcm { key, fixed: iv[..4].try_into().expect("4 bytes"), counter }
    }

    /// RFC 5647 §7.1: a fixed field and an invocation counter.
    fn nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.fixed);
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Protection for Gcm {
    fn block(&self) -> usize {
        16
    }
    fn tag(&self) -> usize {
        16
    }
    fn length_apart(&self) -> bool {
        true
    }
    fn length_hidden(&self) -> bool {
        false
    }
    fn length(&mut self, _: u32, lead: &mut [u8]) -> u32 {
        u32::from_be_bytes([lead[0], lead[1], lead[2], lead[3]])
    }
    fn seal(&mut self, _: u32, packet: &mut [u8]) {
        let nonce = self.nonce();
        let (length, rest) = packet.split_at_mut(4);
        let (text, tag) = rest.split_last_chunk_mut::<16>().expect("a tag");
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::from(length), text);
        tag.copy_from_slice(sealed.expect("a short packet").as_ref());
    }
    fn open(&mut self, _: u32, packet: &mut [u8]) -> bool {
        let nonce = self.nonce();
        let (length, rest) = packet.split_at_mut(4);
        self.key.open_in_place(nonce, Aad::from(length), rest).is_ok()
    }
}
