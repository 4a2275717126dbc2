//! Compression of payloads (RFC 4253 §6.2, RFC 1950): one stream per direction and key exchange.

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// When a direction compresses.
#[derive(Clone, Copy, PartialEq)]
pub enum Compression {
    Never,
    /// As soon as keys are in use: `zlib`.
    AtOnce,
    /// From the end of authentication on: `zlib@openssh.com`.
    Authenticated,
}

impl Compression {
    pub fn named(name: &str) -> Option<Compression> {
        Some(match name {
            "none" | "" => Compression::Never,
            "zlib" => Compression::AtOnce,
            "zlib@openssh.com" => Compression::Authenticated,
            _ => return None,
        })
    }

    pub fn runs(self, authenticated: bool) -> bool {
        match self {
            Compression::Never => false,
            Compression::AtOnce => true,
            Compression::Authenticated => authenticated,
        }
    }
}

/// zlib's own default, as OpenSSH uses it.
const LEVEL: i32 = 6;
/// Window of 32 KiB, with zlib's header.
const WINDOW_BITS: i32 = 15;

pub struct Deflater {
    stream: Box<CompressorOxide>,
    packed: Vec<u8>,
}

impl Deflater {
    pub fn new() -> Self {
        let flags = create_comp_flags_from_zip_params(LEVEL, WINDOW_BITS, 0);
        Deflater { stream: Box::new(CompressorOxide::new(flags)), packed: Vec::new() }
    }

    /// Compresses a payload and flushes it, so that the peer can read all of it.
    pub fn deflate(&mut self, mut payload: &[u8]) -> &[u8] {
        self.packed.clear();
        loop {
            let (start, room) = (self.packed.len(), payload.len() + payload.len() / 64 + 64);
            self.packed.resize(start + room, 0);
            let done = deflate(&mut self.stream, payload, &mut self.packed[start..], MZFlush::Sync);
            self.packed.truncate(start + done.bytes_written);
            payload = &payload[done.bytes_consumed..];
            if payload.is_empty() && done.bytes_written < room {
                return &self.packed;
            }
        }
    }
}

/// Bytes that are inflated at a time.
const STEP: usize = 32 * 1024;
/// Buffer capacity that is kept for the next payload.
const SMALL: usize = 2 * STEP;

pub struct Inflater {
    stream: Box<InflateState>,
    payload: Vec<u8>,
}

impl Inflater {
    pub fn new() -> Self {
        Inflater { stream: InflateState::new_boxed(DataFormat::Zlib), payload: Vec::new() }
    }

    /// Inflates the payload of a packet. None if the stream is malformed or ends, or as soon as it
    /// exceeds `limit` bytes, since a small packet may expand a thousandfold.
    pub fn inflate(&mut self, mut packed: &[u8], limit: usize) -> Option<&[u8]> {
        if self.payload.len() > SMALL {
            self.payload = Vec::new(); // rare, so idle connections do not keep it
        }
        let mut used = 0;
        loop {
            if used == self.payload.len() {
                self.payload.resize((used + STEP).min(limit + 1), 0);
            }
            let room = &mut self.payload[used..];
            let done = inflate(&mut self.stream, packed, room, MZFlush::Sync);
            packed = &packed[done.bytes_consumed..];
            used += done.bytes_written;
            match done.status {
                _ if used > limit => return None,
                Ok(MZStatus::Ok) if done.bytes_consumed + done.bytes_written > 0 => {}
                // All input is read and all output written: the next packet continues from here.
                Err(MZError::Buf) if packed.is_empty() => return Some(&self.payload[..used]),
                _ => return None,
            }
        }
    }
}
