//! Poly1305 (RFC 8439 §2.5) in scalar code: numbers modulo 2^130 - 5 as four words of slightly more
//! than 32 bits. The key's clamped bits make this possible: its words have 28 bits, so that sums of
//! products fit 64, and all but the first are multiples of 4, so that 2^128 times one is 5/4 of it.

/// 2^128 of a full block, in the highest word.
const FULL: u64 = 1 << 32;
const WORD: u64 = u32::MAX as u64;
/// The highest word reaches up to 2^130.
const HIGHEST: u64 = (1 << 34) - 1;
pub const BLOCK: usize = 16;

/// The key of one message. The running sum is separate, so that it can stay in registers.
pub struct Poly1305 {
    r: [u64; 4],
    /// 5/4 of r.
    s: [u64; 4],
    pad: u128,
}

/// Words of 32 bits, except the first, up to 2.03 x 2^32, and the last, up to 2^34. With a block
/// added they are below 1.52, 1, 1 and 3 x 2^33, and the sums of products below 7.8 x 2^61.
pub type Sum = [u64; 4];

impl Poly1305 {
    pub fn new(key: &[u8; 32]) -> Self {
        let (r, pad) = key.split_at(BLOCK);
        let r = words(r.try_into().expect("16 bytes"));
        let r = [r[0] & 0x0fffffff, r[1] & 0x0ffffffc, r[2] & 0x0ffffffc, r[3] & 0x0ffffffc];
        let pad = u128::from_le_bytes(pad.try_into().expect("16 bytes"));
        Poly1305 { r, s: r.map(|word| word + (word >> 2)), pad }
    }

    /// (sum + block) r.
    #[inline(always)]
    pub fn absorb(&self, sum: Sum, block: &[u8; BLOCK]) -> Sum {
        self.absorb_with(sum, block, FULL)
    }

    #[inline(always)]
    fn absorb_with(&self, sum: Sum, block: &[u8; BLOCK], top: u64) -> Sum {
        let ([r0, r1, r2, r3], [_, s1, s2, s3]) = (self.r, self.s);
        let m = words(block);
        let (a, b, c, d) = (sum[0] + m[0], sum[1] + m[1], sum[2] + m[2], sum[3] + m[3] + top);
        let p0 = a * r0 + b * s3 + c * s2 + d * s1;
        let p1 = a * r1 + b * r0 + c * s3 + d * s2 + (p0 >> 32);
        let p2 = a * r2 + b * r1 + c * r0 + d * s3 + (p1 >> 32);
        let p3 = a * r3 + b * r2 + c * r1 + d * r0 + (p2 >> 32);
        // The part above 2^130 is added again, times 5.
        [(p0 & WORD) + (p3 >> 34) * 5, p1 & WORD, p2 & WORD, p3 & HIGHEST]
    }

    /// Absorbs the rest of the message, of any length.
    pub fn absorb_rest(&self, mut sum: Sum, bytes: &[u8]) -> Sum {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for block in blocks {
            sum = self.absorb(sum, block);
        }
        if !rest.is_empty() {
            let mut last = [0; BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            last[rest.len()] = 1;
            sum = self.absorb_with(sum, &last, 0);
        }
        sum
    }

    /// The tag of everything absorbed.
    pub fn tag(&self, sum: Sum) -> [u8; 16] {
        let words = [sum[0], sum[1], sum[2], sum[3] & WORD];
        let shifted = |at: usize| u128::from(words[at]) << (32 * at);
        let (low, over) = (shifted(0) + shifted(1) + shifted(2)).overflowing_add(shifted(3));
        let top = (sum[3] >> 32) + u64::from(over);
        let (low, over) = low.overflowing_add(u128::from(5 * (top >> 2)));
        let top = (top & 3) + u64::from(over);
        // The sum is below 2p now. Adding 5 reaches 2^130 exactly if it is p or more.
        let (less, over) = low.overflowing_add(5);
        let beyond = u128::from((top + u64::from(over)) >> 2).wrapping_neg();
        (low & !beyond | less & beyond).wrapping_add(self.pad).to_le_bytes()
    }
}

#[inline(always)]
fn words(block: &[u8; BLOCK]) -> [u64; 4] {
    let word = |at: usize| {
        u64::from(u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]))
    };
    [word(0), word(4), word(8), word(12)]
}
