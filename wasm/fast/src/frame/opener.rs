use super::compression::Inflater;
use super::{Direction, HEADER, MIN_PADDING, Slack};
use crate::cipher::RawKeys;
use crate::kdf::Exchange;
use crate::memory::{scrubbed, wipe, wipe_stack};
use wasm_bindgen::prelude::wasm_bindgen;

/// RFC 4253 §7.3: packets after NEWKEYS use the new keys.
const NEWKEYS: u8 = 21;
/// RFC 4252 §5.1; zlib@openssh.com starts after it.
const USERAUTH_SUCCESS: u8 = 52;

/// Why no more packets can be opened. A bad MAC and bad padding have the same value, so that there
/// is no oracle.
#[derive(Clone, Copy, PartialEq)]
enum Status {
    Open = 0,
    Bad = 1,
    Length = 2,
    Exhausted = 3,
    Inflate = 4,
}

/// A row of the table that TypeScript reads: the position of an opened payload.
#[repr(C)]
struct Opened {
    address: u32,
    length: u32,
    sequence: u32,
}

/// The incoming direction: bytes in, payloads out.
#[wasm_bindgen]
pub struct Opener {
    direction: Direction,
    inbox: Vec<u8>,
    /// Start of the first packet that is not opened.
    start: usize,
    /// Its size with length and tag; 0 until its first bytes have arrived.
    need: usize,
    max_packet: usize,
    table: Vec<Opened>,
    status: Status,
    /// Bytes that must still arrive before a forgery is answered.
    read_on: Option<usize>,
    slack: Slack,
    inflater: Option<Inflater>,
}

#[wasm_bindgen]
impl Opener {
    #[wasm_bindgen(constructor)]
    pub fn new(max_packet: usize) -> Self {
        Opener {
            direction: Direction::clear(),
            inbox: Vec::new(),
            start: 0,
            need: 0,
            max_packet,
            table: Vec::new(),
            status: Status::Open,
            read_on: None,
            slack: Slack::default(),
            inflater: None,
        }
    }

    /// Where to write `length` received bytes; `handed` rows of the table have been used. Used
    /// bytes are dropped, and the rest moves to the front. Memory grows with the received bytes,
    /// never with a claimed packet_length.
    pub fn room(&mut self, length: usize, handed: usize) -> *mut u8 {
        let base = self.inbox.as_ptr() as u32;
        let keep = self.unused(handed);
        self.table.drain(..handed.min(self.table.len()));
        if keep > 0 {
            self.inbox.copy_within(keep.., 0);
            self.inbox.truncate(self.inbox.len() - keep);
            self.start -= keep;
        }
        if self.inbox.is_empty() {
            self.slack.settle(&mut self.inbox, length);
        }
        self.inbox.reserve(length);
        let shift = (self.inbox.as_ptr() as u32).wrapping_sub(base).wrapping_sub(keep as u32);
        self.table.iter_mut().for_each(|row| row.address = row.address.wrapping_add(shift));
        self.inbox.spare_capacity_mut().as_mut_ptr().cast()
    }

    /// `length` bytes have been written to `room`.
    pub fn filled(&mut self, length: usize) {
        let length = self.inbox.len() + length;
        assert!(length <= self.inbox.capacity());
        // SAFETY: within the capacity, and WASM memory is always initialized.
        unsafe { self.inbox.set_len(length) };
    }

    /// Opens every complete packet, and returns the number of rows in the table. Compressed packets
    /// are opened one at a time, since they are inflated into the same buffer.
    pub fn open(&mut self) -> usize {
        self.table.clear();
        while self.status == Status::Open && self.read_on.is_none() {
            match self.open_one() {
                Ok(true) if self.inflater.is_none() => {}
                Ok(_) => break,
                Err(status) => self.refuse(status),
            }
        }
        self.pass_over();
        self.table.len()
    }

    pub fn table(&self) -> *const u32 {
        self.table.as_ptr().cast()
    }

    /// Why the last `open` ended: 0 if more bytes are needed or keys switch, otherwise the stream
    /// is unusable.
    pub fn status(&self) -> u32 {
        self.status as u32
    }

    /// Received bytes that are not in the first `handed` rows of the table.
    pub fn buffered(&self, handed: usize) -> usize {
        self.inbox.len() - self.unused(handed)
    }

    /// Authentication has ended: `zlib@openssh.com` starts after the opened packets.
    pub fn authenticated(&mut self) {
        self.direction.authenticated = true;
        if self.inflater.is_none() {
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

impl Opener {
    /// Start of the first packet that is not in the first `handed` rows.
    fn unused(&self, handed: usize) -> usize {
        let base = self.inbox.as_ptr() as usize;
        self.table.get(handed).map_or(self.start, |row| row.address as usize - HEADER - base)
    }

    /// RFC 4253 §6.2: every key exchange starts a new stream.
    fn start_compression(&mut self) {
        let runs = self.direction.compression.runs(self.direction.authenticated);
        self.inflater = runs.then(Inflater::new);
    }

    /// CVE-2008-5161: if a block is decrypted before it is authenticated, the position at which a
    /// forgery is answered would reveal the decryption of a victim's block. So all forgeries are
    /// answered after as many bytes as the largest packet has.
    fn refuse(&mut self, status: Status) {
        let protection = &self.direction.protection;
        if status == Status::Bad && protection.reads_on() {
            self.read_on = Some(4 + self.max_packet + protection.tag());
        } else {
            self.status = status;
        }
    }

    fn pass_over(&mut self) {
        let Some(left) = &mut self.read_on else { return };
        *left = left.saturating_sub(self.inbox.len() - self.start);
        self.start = self.inbox.len();
        if *left == 0 {
            self.status = Status::Bad;
        }
    }

    /// True if a packet was opened. False if more bytes are needed, or keys switch after this
    /// packet.
    fn open_one(&mut self) -> Result<bool, Status> {
        let direction = &mut self.direction;
        let here = self.inbox.len() - self.start;
        if self.need == 0 {
            let lead = direction.protection.lead();
            if here < lead {
                return Ok(false);
            }
            let lead = &mut self.inbox[self.start..][..lead];
            let packet_length = direction.protection.length(direction.sequence, lead) as usize;
            if packet_length < 1 + MIN_PADDING
                || packet_length > self.max_packet
                || !direction.aligned(packet_length)
            {
                // An invalid encrypted length is treated as a forgery.
                let secret = direction.protection.length_hidden();
                return Err(if secret { Status::Bad } else { Status::Length });
            }
            self.need = 4 + packet_length + direction.protection.tag();
        }
        if here < self.need {
            return Ok(false);
        }
        if direction.exhausted() {
            return Err(Status::Exhausted);
        }
        let packet = &mut self.inbox[self.start..][..self.need];
        let body = self.need - HEADER - direction.protection.tag();
        let authentic = direction.protection.open(direction.sequence, packet);
        let padding = packet[4] as usize;
        // An empty payload has no message number, so it is not a message (RFC 4253 §12).
        if !authentic || padding < MIN_PADDING || padding >= body {
            wipe(packet);
            wipe_stack(); // the MAC's last block may contain decrypted text
            return Err(Status::Bad);
        }
        let sequence = direction.advance();
        let mut payload = &packet[HEADER..][..body - padding];
        if let Some(inflater) = &mut self.inflater {
            payload = inflater.inflate(payload, self.max_packet).ok_or(Status::Inflate)?;
        }
        let kind = *payload.first().ok_or(Status::Inflate)?;
        self.table.push(Opened {
            address: payload.as_ptr() as u32,
            length: payload.len() as u32,
            sequence,
        });
        self.start += self.need;
        self.need = 0;
        Ok(kind != NEWKEYS && kind != USERAUTH_SUCCESS)
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.direction = Direction::clear();
        wipe_stack();
    }
}
