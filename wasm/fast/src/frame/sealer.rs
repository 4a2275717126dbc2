use super::compression::Deflater;
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
    /// Sealed packets, followed by the room for the next payload.
    outbox: Vec<u8>,
    taken: usize,
    slack: Slack,
    deflater: Option<Deflater>,
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
            deflater: None,
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
        // A writer that never catches up must not let the outbox grow endlessly.
        if self.taken >= self.pending() {
            self.outbox.drain(..self.taken);
            self.taken = 0;
            if self.outbox.is_empty() {
                self.slack.settle(&mut self.outbox, length);
            }
        }
        self.reserve(length);
        self.outbox.spare_capacity_mut()[HEADER..].as_mut_ptr().cast()
    }

    /// Seals the `length` bytes written to `room`. False if no more packets may go under this key.
    pub fn seal(&mut self, length: usize) -> bool {
        if self.direction.exhausted() {
            return false;
        }
        let length = self.deflated(length);
        let direction = &mut self.direction;
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

    /// The address of the sealed bytes.
    pub fn sealed(&self) -> *const u8 {
        self.outbox[self.taken..].as_ptr()
    }

    /// The first `length` sealed bytes have been copied out.
    pub fn taken(&mut self, length: usize) {
        self.taken = (self.taken + length).min(self.outbox.len());
    }

    /// Authentication has ended: `zlib@openssh.com` starts after the sealed packets.
    pub fn authenticated(&mut self) {
        self.direction.authenticated = true;
        if self.deflater.is_none() {
            self.start_compression();
        }
    }

    #[allow(clippy::too_many_arguments)]
    pub fn rekey(
        &mut self,
        cipher: &str,
        mac: &str,
        compression: &str,
        hash: &str,
        secret: &[u8],
        exchange_hash: &[u8],
        session_id: &[u8],
        to_server: bool,
        reset: bool,
    ) -> bool {
        let exchange = Exchange { hash, secret, exchange_hash, session_id, to_server };
        let names = (cipher, mac, compression);
        let known = scrubbed(|| self.direction.rekey(names, &exchange, reset));
        self.start_compression();
        known
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

impl Sealer {
    fn reserve(&mut self, length: usize) {
        let protection = &self.direction.protection;
        self.outbox.reserve(HEADER + length + MIN_PADDING + protection.block() + protection.tag());
    }

    /// RFC 4253 §6.2: every key exchange starts a new stream.
    fn start_compression(&mut self) {
        let runs = self.direction.compression.runs(self.direction.authenticated);
        self.deflater = runs.then(Deflater::new);
    }

    /// Compresses the payload in `room` in place; returns its new length.
    fn deflated(&mut self, length: usize) -> usize {
        let Some(mut deflater) = self.deflater.take() else { return length };
        let start = self.outbox.len() + HEADER;
        assert!(start + length <= self.outbox.capacity());
        // SAFETY: within the capacity, and WASM memory is always initialized.
        let payload =
            unsafe { std::slice::from_raw_parts(self.outbox.as_ptr().add(start), length) };
        let packed = deflater.deflate(payload);
        let length = packed.len();
        self.reserve(length);
        let room = &mut self.outbox.spare_capacity_mut()[HEADER..][..length];
        room.write_copy_of_slice(packed);
        self.deflater = Some(deflater);
        length
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.direction = Direction::clear();
        wipe_stack();
    }
}
