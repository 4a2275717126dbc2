//! Session keys from a key exchange (RFC 4253 §7.2).

use crate::cipher::{RawKeys, Sizes};
use crate::hash::Hash;

/// The result of a key exchange; `secret` is K as it is hashed, including its length prefix.
pub struct Exchange<'a> {
    pub hash: &'a str,
    pub secret: &'a [u8],
    pub exchange_hash: &'a [u8],
    pub session_id: &'a [u8],
    pub to_server: bool,
}

/// Letters A, C and E for client to server, B, D and F for server to client.
pub fn derive(exchange: &Exchange, sizes: &Sizes) -> Option<RawKeys> {
    let letters = if exchange.to_server { b"ACE" } else { b"BDF" };
    let hash = Hash::named(exchange.hash)?;
    Some(RawKeys {
        iv: expand(hash, exchange, letters[0], sizes.iv),
        key: expand(hash, exchange, letters[1], sizes.key),
        mac_key: expand(hash, exchange, letters[2], sizes.mac_key),
    })
}

/// K1 = HASH(K || H || letter || session_id), Kn+1 = HASH(K || H || K1 || ... || Kn).
fn expand(hash: Hash, exchange: &Exchange, letter: u8, length: usize) -> Vec<u8> {
    let (k, h) = (exchange.secret, exchange.exchange_hash);
    let mut key = hash.digest(&[k, h, &[letter], exchange.session_id]);
    while key.len() < length {
        let more = hash.digest(&[k, h, &key]);
        key.extend(more);
    }
    // Copied to a separate block, since the tail must not outlive this call.
    key[..length].into()
}
