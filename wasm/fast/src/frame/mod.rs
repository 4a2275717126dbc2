//! RFC 4253 §6: uint32 packet_length, byte padding_length, payload, random padding, MAC.

mod compression;
mod opener;
mod sealer;

use crate::cipher::{self, Protection, RawKeys};
use crate::kdf::{self, Exchange};
use compression::Compression;

/// packet_length and padding_length.
const HEADER: usize = 5;
const MIN_PADDING: usize = 4;
/// RFC 4344 §3.1: never more packets than sequence numbers under one key.
const MAX_PACKETS: u64 = 1 << 32;

/// A buffer below this size is never released.
const SMALL_BUFFER: usize = 64 * 1024;

/// Releases a buffer that grew for bulk data once it has held only small packets for a while, since
/// a thousand idle connections may share one memory.
#[derive(Default)]
struct Slack(u8);

impl Slack {
    /// Called when `buffer` is empty and before `wanted` bytes are written.
    fn settle(&mut self, buffer: &mut Vec<u8>, wanted: usize) {
        let large = buffer.capacity() > SMALL_BUFFER && wanted < buffer.capacity() / 8;
        self.0 = if large { self.0 + 1 } else { 0 };
        if self.0 == 32 {
            (*buffer, self.0) = (Vec::new(), 0);
        }
    }
}

/// The keys, sequence number and packet count of one direction.
struct Direction {
    protection: Box<dyn Protection>,
    sequence: u32,
    /// Packets under the current key.
    packets: u64,
    compression: Compression,
    /// Whether authentication is over.
    authenticated: bool,
}

impl Direction {
    fn clear() -> Self {
        Direction {
            protection: cipher::none(),
            sequence: 0,
            packets: 0,
            compression: Compression::Never,
            authenticated: false,
        }
    }

    fn exhausted(&self) -> bool {
        self.packets >= MAX_PACKETS
    }

    /// The number of this packet; the next one gets the next (RFC 4253 §6.4).
    fn advance(&mut self) -> u32 {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.packets += 1;
        sequence
    }

    /// Derives and switches to the keys of a key exchange. False if a name is unknown.
    fn rekey(&mut self, names: (&str, &str, &str), exchange: &Exchange, reset: bool) -> bool {
        let Some(compression) = Compression::named(names.2) else { return false };
        let Some(sizes) = cipher::sizes(names.0, names.1) else { return false };
        let Some(keys) = kdf::derive(exchange, &sizes) else { return false };
        let Some(protection) = cipher::protection(names.0, names.1, &keys) else { return false };
        self.protection = protection;
        self.compression = compression;
        self.packets = 0;
        if reset {
            self.sequence = 0;
        }
        true
    }

    /// Switches to given keys. A start above 0 counts as packets already sent under them.
    fn set_keys(&mut self, names: (&str, &str), keys: &RawKeys, sequence: u32) -> bool {
        let Some(protection) = cipher::protection(names.0, names.1, keys) else { return false };
        self.protection = protection;
        self.sequence = sequence;
        self.packets = sequence.into();
        true
    }

    /// Whether a packet_length fits the cipher's alignment. RFC 4253 §6: it includes itself, unless
    /// it is sent in clear before an authenticated rest.
    fn aligned(&self, packet_length: usize) -> bool {
        let counted =
            if self.protection.length_apart() { packet_length } else { packet_length + 4 };
        counted.is_multiple_of(self.protection.block())
    }

    /// The minimum padding that aligns a payload.
    fn padding(&self, payload: usize) -> usize {
        let block = self.protection.block();
        let counted = if self.protection.length_apart() { payload + 1 } else { payload + HEADER };
        let padding = block - counted % block;
        if padding < MIN_PADDING { padding + block } else { padding }
    }
}
