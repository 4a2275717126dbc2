//! Poly1305 (RFC 8439 §2.5) in scalar code: numbers modulo 2^130 - 5 as five limbs of 26 bits.

const LIMB: u64 = (1 << 26) - 1;
/// 2^128 of a full block, as a bit of the highest limb.
const FULL: u64 = 1 << 24;

/// A multiplier, and five times its upper limbs: 2^130 is 5.
#[derive(Clone, Copy)]
struct Factor {
    r: [u64; 5],
    s: [u64; 5],
}

impl Factor {
    #[inline(always)]
    fn new(r: [u64; 5]) -> Self {
        Factor { r, s: r.map(|limb| 5 * limb) }
    }

    /// Adds `a` times this to the five sums of products.
    #[inline(always)]
    fn multiply(&self, a: [u64; 5], sums: &mut [u64; 5]) {
        let (r, s) = (&self.r, &self.s);
        sums[0] += a[0] * r[0] + a[1] * s[4] + a[2] * s[3] + a[3] * s[2] + a[4] * s[1];
        sums[1] += a[0] * r[1] + a[1] * r[0] + a[2] * s[4] + a[3] * s[3] + a[4] * s[2];
        sums[2] += a[0] * r[2] + a[1] * r[1] + a[2] * r[0] + a[3] * s[4] + a[4] * s[3];
        sums[3] += a[0] * r[3] + a[1] * r[2] + a[2] * r[1] + a[3] * r[0] + a[4] * s[4];
        sums[4] += a[0] * r[4] + a[1] * r[3] + a[2] * r[2] + a[3] * r[1] + a[4] * r[0];
    }
}

/// The key of one message. The running sum is kept apart, so that it can live in registers.
pub struct Poly1305 {
    one: Factor,
    two: Factor,
    pad: u128,
}

pub type Sum = [u64; 5];

impl Poly1305 {
    pub fn new(key: &[u8]) -> Self {
        let half = |at: usize| u128::from_le_bytes(key[at..at + 16].try_into().expect("16 bytes"));
        let r = half(0) & 0x0ffffffc_0ffffffc_0ffffffc_0fffffff;
        let one = Factor::new(std::array::from_fn(|at| (r >> (26 * at)) as u64 & LIMB));
        let mut square = [0; 5];
        one.multiply(one.r, &mut square);
        Poly1305 { one, two: Factor::new(carry(square)), pad: half(16) }
    }

    /// Absorbs 32 bytes with one reduction: (sum + first) r² + second r.
    #[inline(always)]
    pub fn absorb_two(&self, sum: Sum, bytes: &[u8; 32]) -> Sum {
        let mut sums = [0; 5];
        self.two.multiply(add(sum, limbs(&bytes[..16], FULL)), &mut sums);
        self.one.multiply(limbs(&bytes[16..], FULL), &mut sums);
        carry(sums)
    }

    fn absorb_one(&self, sum: Sum, block: &[u8], top: u64) -> Sum {
        let mut sums = [0; 5];
        self.one.multiply(add(sum, limbs(block, top)), &mut sums);
        carry(sums)
    }

    /// Absorbs the rest of the message, of any length.
    pub fn absorb_rest(&self, mut sum: Sum, bytes: &[u8]) -> Sum {
        let (pairs, rest) = bytes.as_chunks::<32>();
        for pair in pairs {
            sum = self.absorb_two(sum, pair);
        }
        let (blocks, rest) = rest.as_chunks::<16>();
        for block in blocks {
            sum = self.absorb_one(sum, block, FULL);
        }
        if !rest.is_empty() {
            let mut last = [0; 16];
            last[..rest.len()].copy_from_slice(rest);
            last[rest.len()] = 1;
            sum = self.absorb_one(sum, &last, 0);
        }
        sum
    }

    /// The tag of everything absorbed.
    pub fn tag(&self, sum: Sum) -> [u8; 16] {
        let mut h = carry(carry(sum));
        // h + 5 reaches 2^130 exactly if h >= p; then that, without its top, is h - p.
        let mut reduced = h;
        reduced[0] += 5;
        for at in 0..4 {
            reduced[at + 1] += reduced[at] >> 26;
            reduced[at] &= LIMB;
        }
        let over = (reduced[4] >> 26).wrapping_neg();
        reduced[4] &= LIMB;
        for (limb, less) in h.iter_mut().zip(reduced) {
            *limb = *limb & !over | less & over;
        }
        let wide = |at: usize| u128::from(h[at]) << (26 * at);
        let number = (0..5).map(wide).fold(0, u128::wrapping_add);
        number.wrapping_add(self.pad).to_le_bytes()
    }
}

#[inline(always)]
fn limbs(block: &[u8], top: u64) -> [u64; 5] {
    let low = u64::from_le_bytes(block[..8].try_into().expect("8 bytes"));
    let high = u64::from_le_bytes(block[8..16].try_into().expect("8 bytes"));
    [
        low & LIMB,
        low >> 26 & LIMB,
        (low >> 52 | high << 12) & LIMB,
        high >> 14 & LIMB,
        high >> 40 | top,
    ]
}

#[inline(always)]
fn add(a: [u64; 5], b: [u64; 5]) -> [u64; 5] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4]]
}

/// Brings sums of products back to limbs of 26 bits, the second a little over.
#[inline(always)]
fn carry(sums: [u64; 5]) -> [u64; 5] {
    let [mut a, mut b, mut c, mut d, mut e] = sums;
    b += a >> 26;
    a &= LIMB;
    c += b >> 26;
    b &= LIMB;
    d += c >> 26;
    c &= LIMB;
    e += d >> 26;
    d &= LIMB;
    a += (e >> 26) * 5;
    e &= LIMB;
    b += a >> 26;
    a &= LIMB;
    [a, b, c, d, e]
}
