//! ring's AEADs over packets, and the packet core's Poly1305 alone, for tests and benchmarks.
//! A separate module, so that the core that users load does not contain it. It exports plain
//! functions, so it needs no glue. An instance has one key and one buffer.

#[path = "../../fast/src/cipher/poly1305.rs"]
#[allow(dead_code)]
mod core_poly1305;

use core_poly1305::Poly1305;
use ring::aead::chacha20_poly1305_openssh::{OpeningKey, SealingKey};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::cell::RefCell;

enum Keys {
    ChaCha(Box<(SealingKey, OpeningKey)>),
    Gcm(Box<LessSafeKey>),
}

thread_local! {
    static KEYS: RefCell<Option<Keys>> = const { RefCell::new(None) };
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for `length` bytes and returns its address, valid until the next call.
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> *mut u8 {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(length, 0);
        buffer.as_mut_ptr()
    })
}

/// Takes the buffer as the key: 16 or 32 bytes for AES-GCM, 64 for chacha20-poly1305@openssh.com.
#[unsafe(no_mangle)]
pub extern "C" fn set_key() {
    let gcm = |algorithm, key: &[u8]| {
        Keys::Gcm(Box::new(LessSafeKey::new(UnboundKey::new(algorithm, key).expect("its size"))))
    };
    let keys = BUFFER.with_borrow(|key| match key.len() {
        16 => gcm(&AES_128_GCM, key),
        32 => gcm(&AES_256_GCM, key),
        _ => {
            let key = key.first_chunk().expect("64 bytes");
            Keys::ChaCha(Box::new((SealingKey::new(key), OpeningKey::new(key))))
        }
    });
    KEYS.set(Some(keys));
}

/// Seals the buffer as a packet: packet_length, the rest, and 16 bytes for the tag.
#[unsafe(no_mangle)]
pub extern "C" fn seal(sequence: u32) {
    with_packet(|keys, packet| {
        let (text, tag) = packet.split_last_chunk_mut::<16>().expect("a tag");
        match keys {
            Keys::ChaCha(keys) => keys.0.seal_in_place(sequence, text, tag),
            Keys::Gcm(key) => {
                let (length, text) = text.split_at_mut(4);
                let aad = Aad::from(length);
                let sealed = key.seal_in_place_separate_tag(nonce(sequence), aad, text);
                tag.copy_from_slice(sealed.expect("a short packet").as_ref());
            }
        }
    })
}

/// Opens the packet in the buffer; false if its tag is wrong.
#[unsafe(no_mangle)]
pub extern "C" fn open(sequence: u32) -> bool {
    with_packet(|keys, packet| match keys {
        Keys::ChaCha(keys) => {
            let (text, tag) = packet.split_last_chunk_mut::<16>().expect("a tag");
            keys.1.open_in_place(sequence, text, tag).is_ok()
        }
        Keys::Gcm(key) => {
            let (length, rest) = packet.split_at_mut(4);
            key.open_in_place(nonce(sequence), Aad::from(length), rest).is_ok()
        }
    })
}

/// The core's Poly1305 over a key of 32 bytes and a message; the tag overwrites the first 16 bytes.
#[unsafe(no_mangle)]
pub extern "C" fn poly1305() {
    BUFFER.with_borrow_mut(|buffer| {
        let (key, message) = buffer.split_first_chunk::<32>().expect("a key");
        let poly = Poly1305::new(key);
        let tag = poly.tag(poly.absorb_rest([0; 4], message));
        buffer[..16].copy_from_slice(&tag);
    })
}

fn with_packet<T>(work: impl FnOnce(&Keys, &mut [u8]) -> T) -> T {
    KEYS.with_borrow(|keys| {
        BUFFER.with_borrow_mut(|packet| work(keys.as_ref().expect("a key"), packet))
    })
}

fn nonce(sequence: u32) -> Nonce {
    let mut nonce = [0; 12];
    nonce[8..].copy_from_slice(&sequence.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}
