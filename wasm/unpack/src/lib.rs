//! Unpacks the core, which ships as LZMA data. A separate module without an allocator: the caller
//! provides memory after this module's own, and calls `step` until it returns true. Steps are short
//! because a WebAssembly engine replaces its first, slow code of a function only between calls.
//!
//! The data is always our own, with lc = 3, lp = 0 and pb = 2. Malformed data traps, or gives wrong
//! bytes.

#![no_std]

use core::{mem::MaybeUninit, slice};

const STEP: usize = 16 * 1024;

/// Bytes before the data of the range coder: properties, dictionary size, size.
const HEADER: usize = 13;

// The start of each kind of probability in the table.
const MATCH: usize = 0;
const REPEATED: usize = MATCH + 12 * 4;
const REPEATED_FIRST: usize = REPEATED + 12;
const REPEATED_SECOND: usize = REPEATED_FIRST + 12;
const REPEATED_THIRD: usize = REPEATED_SECOND + 12;
const REPEATED_LONG: usize = REPEATED_THIRD + 12;
const SLOT: usize = REPEATED_LONG + 12 * 4;
const DISTANCE: usize = SLOT + 4 * 64;
const ALIGN: usize = DISTANCE + 128;
const LENGTH: usize = ALIGN + 16;
const REPEATED_LENGTH: usize = LENGTH + 2 + 2 * 4 * 8 + 256;
const LITERAL: usize = REPEATED_LENGTH + 2 + 2 * 4 * 8 + 256;
const PROBABILITIES: usize = LITERAL + 8 * 0x300;

struct Unpacker {
    input: &'static [u8],
    output: &'static mut [u8],
    /// Bytes of output written so far.
    size: usize,
    range: u32,
    code: u32,
    /// The kinds of the last symbols: literals, matches and repeated matches.
    state: usize,
    /// The last four distances, less 1.
    distances: [usize; 4],
    probabilities: [u16; PROBABILITIES],
}

static mut UNPACKER: MaybeUninit<Unpacker> = MaybeUninit::uninit();

/// # Safety
///
/// The packed bytes and the room for the result must be in this module's memory, after the part
/// that it uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn start(packed: *const u8, length: usize, room: *mut u8, size: usize) {
    let input = unsafe { slice::from_raw_parts(packed, length) };
    let output = unsafe { slice::from_raw_parts_mut(room, size) };
    let unpacker = &raw mut UNPACKER;
    unsafe { (*unpacker).write(Unpacker::new(input, output)) };
}

/// Returns whether everything is unpacked.
///
/// # Safety
///
/// Only after `start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn step() -> bool {
    let unpacker = &raw mut UNPACKER;
    let unpacker = unsafe { (*unpacker).assume_init_mut() };
    unpacker.unpack(unpacker.size + STEP);
    unpacker.size == unpacker.output.len()
}

impl Unpacker {
    fn new(packed: &'static [u8], output: &'static mut [u8]) -> Unpacker {
        let mut unpacker = Unpacker {
            input: &packed[HEADER + 1..], // the first byte is 0
            output,
            size: 0,
            range: u32::MAX,
            code: 0,
            state: 0,
            distances: [0; 4],
            probabilities: [1024; PROBABILITIES],
        };
        for _ in 0..4 {
            unpacker.shift();
        }
        unpacker
    }

    /// Writes up to `end` bytes or slightly more, if there are that many.
    fn unpack(&mut self, end: usize) {
        while self.size < end.min(self.output.len()) {
            let position = self.size & 3;
            if self.bit(MATCH + 4 * self.state + position) == 0 {
                self.literal();
            } else if self.bit(REPEATED + self.state) == 0 {
                let length = self.length(LENGTH, position);
                let distance = self.distance(length);
                self.distances.rotate_right(1);
                self.distances[0] = distance;
                self.state = if self.state < 7 { 7 } else { 10 };
                self.copy(length);
            } else if self.repeats_one_byte(position) {
                self.state = if self.state < 7 { 9 } else { 11 };
                self.copy(1);
            } else {
                let length = self.length(REPEATED_LENGTH, position);
                self.state = if self.state < 7 { 8 } else { 11 };
                self.copy(length);
            }
        }
    }

    fn literal(&mut self) {
        let before = if self.size == 0 { 0 } else { self.output[self.size - 1] };
        let table = LITERAL + 0x300 * usize::from(before >> 5);
        let mut node = 1;
        if self.state >= 7 {
            // After a match, the byte that would have continued it, from which this one differs.
            let mut expected = usize::from(self.output[self.size - self.distances[0] - 1]) << 1;
            while node < 0x100 {
                let bit = self.bit(table + 0x100 + (expected & 0x100) + node);
                node = node << 1 | bit;
                if bit != expected >> 8 & 1 {
                    break;
                }
                expected <<= 1;
            }
        }
        while node < 0x100 {
            node = node << 1 | self.bit(table + node);
        }
        self.output[self.size] = node as u8;
        self.size += 1;
        self.state = self.state.saturating_sub(if self.state < 10 { 3 } else { 6 });
    }

    /// Moves the repeated distance to the front. True if a single byte is copied, without a length.
    fn repeats_one_byte(&mut self, position: usize) -> bool {
        let repeated = if self.bit(REPEATED_FIRST + self.state) == 0 {
            return self.bit(REPEATED_LONG + 4 * self.state + position) == 0;
        } else if self.bit(REPEATED_SECOND + self.state) == 0 {
            1
        } else {
            2 + self.bit(REPEATED_THIRD + self.state)
        };
        self.distances[..=repeated].rotate_right(1);
        false
    }

    fn length(&mut self, table: usize, position: usize) -> usize {
        if self.bit(table) == 0 {
            2 + self.tree(table + 2 + 8 * position, 3)
        } else if self.bit(table + 1) == 0 {
            10 + self.tree(table + 2 + 32 + 8 * position, 3)
        } else {
            18 + self.tree(table + 2 + 64, 8)
        }
    }

    /// The distance of a match, less 1.
    fn distance(&mut self, length: usize) -> usize {
        let slot = self.tree(SLOT + 64 * (length - 2).min(3), 6);
        if slot < 4 {
            return slot;
        }
        let bits = (slot >> 1) - 1;
        let base = (2 | slot & 1) << bits;
        if slot < 14 {
            return base + self.reversed_tree(DISTANCE + base - slot, bits);
        }
        let high = self.even_bits(bits - 4) << 4;
        base + high + self.reversed_tree(ALIGN, 4)
    }

    fn copy(&mut self, length: usize) {
        let end = (self.size + length).min(self.output.len());
        // Byte by byte, since the source may overlap with the output.
        while self.size < end {
            self.output[self.size] = self.output[self.size - self.distances[0] - 1];
            self.size += 1;
        }
    }

    fn tree(&mut self, table: usize, bits: usize) -> usize {
        let mut node = 1;
        for _ in 0..bits {
            node = node << 1 | self.bit(table + node);
        }
        node - (1 << bits)
    }

    /// With the lowest bit first.
    fn reversed_tree(&mut self, table: usize, bits: usize) -> usize {
        let (mut node, mut value) = (1, 0);
        for i in 0..bits {
            let bit = self.bit(table + node);
            node = node << 1 | bit;
            value |= bit << i;
        }
        value
    }

    /// Bits with equal probabilities.
    fn even_bits(&mut self, bits: usize) -> usize {
        let mut value = 0;
        for _ in 0..bits {
            self.range >>= 1;
            let bit = self.code >= self.range;
            if bit {
                self.code -= self.range;
            }
            value = value << 1 | usize::from(bit);
            self.normalize();
        }
        value
    }

    fn bit(&mut self, index: usize) -> usize {
        let probability = self.probabilities[index];
        let bound = (self.range >> 11) * u32::from(probability);
        let bit = self.code >= bound;
        if bit {
            self.range -= bound;
            self.code -= bound;
            self.probabilities[index] = probability - (probability >> 5);
        } else {
            self.range = bound;
            self.probabilities[index] = probability + ((2048 - probability) >> 5);
        }
        self.normalize();
        usize::from(bit)
    }

    fn normalize(&mut self) {
        if self.range < 1 << 24 {
            self.range <<= 8;
            self.shift();
        }
    }

    /// Takes a byte of the input; zeros after its end.
    fn shift(&mut self) {
        let (byte, rest) = self.input.split_first().unwrap_or((&0, &[]));
        self.input = rest;
        self.code = self.code << 8 | u32::from(*byte);
    }
}

#[panic_handler]
fn trap(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
