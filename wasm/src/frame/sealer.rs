use super::{Direction, HEADER, MIN_PADDING, Slack};
use crate::cipher::RawKeys;
use crate::kdf::Exchange;
use crate::memory::{scrubbed, wipe_stack};
use crate::random;
use wasm_bindgen::prelude::wasm_bindgen;

/// The outgoing direction: payloads in, packets out.
#[wasm_bindgen]
pub struct Sealer {
    direction: Direction,
    /// Sealed packets; the room for the next payload lies behind them.
    outbox: Vec<u8>,
    taken: usize,
    slack: Slack,
}

#[wasm_bindgen]
impl Sealer {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Sealer {
            direction: Direction::clear(),
            outbox: Vec::new(),
            taken: 0,
            slack: Slack::default(),
        }
    }

    pub fn sequence(&self) -> u32 {
        self.direction.sequence
    }

    pub fn pending(&self) -> usize {
        self.outbox.len() - self.taken
    }

    /// Where to write `length` bytes of payload. Valid until the next call.
    pub fn room(&mut self, length: usize) -> *mut u8 {
        // A writer that never catches up must not make the outbox grow for ever.
        if self.taken >= self.pending() {
            self.outbox.drain(..self.taken);
            self.taken = 0;
            if self.outbox.is_empty() {
                self.slack.settle(&mut self.outbox, length);
            }
        }
        let protection = &self.direction.protection;
        self.outbox.reserve(HEADER + length + MIN_PADDING + protection.block() + protection.tag());
        self.outbox.spare_capacity_mut()[HEADER..].as_mut_ptr().cast()
    }

    /// Seals the `length` bytes written to `room`. False if no more packets may go under this key.
    pub fn seal(&mut self, length: usize) -> bool {
        let direction = &mut self.direction;
        if direction.exhausted() {
            return false;
        }
        let padding = direction.padding(length);
        let packet_length = 1 + length + padding;
        let total = 4 + packet_length + direction.protection.tag();
        let start = self.outbox.len();
        assert!(start + total <= self.outbox.capacity());
        // SAFETY: `room` reserved it, and WASM memory is always initialized.
        unsafe { self.outbox.set_len(start + total) };
        let packet = &mut self.outbox[start..];
        packet[..4].copy_from_slice(&(packet_length as u32).to_be_bytes());
        packet[4] = padding as u8;
        random::pad(&mut packet[HEADER + length..][..padding]);
        let sequence = direction.advance();
        direction.protection.seal(sequence, packet);
        true
    }

    /// Where the sealed bytes lie.
    pub fn sealed(&self) -> *const u8 {
        self.outbox[self.taken..].as_ptr()
    }

    /// The first `length` sealed bytes have been copied out.
    pub fn taken(&mut self, length: usize) {
        self.taken = (self.taken + length).min(self.outbox.len());
    }

    #[allow(clippy::too_many_arguments)]
    pub fn rekey(
        &mut self,
        cipher: &str,
        mac: &str,
        hash: &str,
        secret: &[u8],
        exchange_hash: &[u8],
        session_id: &[u8],
        to_server: bool,
        reset: bool,
    ) -> bool {
        let exchange = Exchange { hash, secret, exchange_hash, session_id, to_server };
        scrubbed(|| self.direction.rekey((cipher, mac), &exchange, reset))
    }

    pub fn set_keys(
        &mut self,
        cipher: &str,
        mac: &str,
        key: &[u8],
        iv: &[u8],
        mac_key: &[u8],
        sequence: u32,
    ) -> bool {
        scrubbed(|| {
            let keys = RawKeys::new(key, iv, mac_key);
            self.direction.set_keys((cipher, mac), &keys, sequence)
        })
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.direction = Direction::clear();
        wipe_stack();
    }
}
