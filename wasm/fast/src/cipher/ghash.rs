//! GHASH (NIST SP 800-38D §6.4) by swizzles: constant time, and all blocks of a group together.
//!
//! A block times a constant is the sum over its nibbles n at byte p of n times the constant, moved
//! by p bytes. The part that falls `d` bytes after the nibble depends only on n and d, so one
//! swizzle looks it up for all sixteen bytes of a block. Products of up to `GROUP` blocks, each
//! with its own power of
//! H, are added by `d` first, and moved into place and reduced once.

use super::simd::*;
use crate::fixed::Fixed;

pub const BLOCK: usize = 16;
/// Blocks that share a reduction.
pub const GROUP: usize = 8;
/// A nibble times 128 bits spans 17 bytes.
const REACH: usize = 17;

/// x^7 + x^2 + x + 1, x^0 at the top.
const POLYNOMIAL: u128 = 0b1110_0001 << 120;

/// For each distance in bytes, the contributions of lower and upper nibbles.
type Multiplier = [[v128; 2]; REACH];

/// From this many blocks on, it is worth copying the tables to memory without bounds checks.
const MANY: usize = 64;
static POWERS: Fixed<[Multiplier; GROUP]> = Fixed::new([[[u64x2(0, 0); 2]; REACH]; GROUP]);

pub struct Ghash {
    /// For H^1 to H^GROUP.
    powers: Box<[Multiplier; GROUP]>,
    reducer: Reducer,
}

/// Multiplies by x^7 + x^2 + x + 1, which is x^128 (§6.3).
struct Reducer {
    low: v128,
    here: [v128; 2],
    behind: [v128; 2],
}

impl Ghash {
    pub fn new(h: [u8; BLOCK]) -> Self {
        let h = u128::from_be_bytes(h);
        let mut power = h;
        let powers = std::array::from_fn(|_| {
            let multiplier = multiplier(power);
            power = multiply(power, h);
            multiplier
        });
        let [here, behind, ..] = multiplier(POLYNOMIAL);
        Ghash { powers: Box::new(powers), reducer: Reducer { low: u8x16_splat(15), here, behind } }
    }

    /// Absorbs `blocks`; the previous value is added to the first one.
    #[inline(always)]
    pub fn absorb(&self, sum: v128, blocks: &[[u8; BLOCK]]) -> v128 {
        let mut sum = sum;
        let mut rest = blocks;
        if blocks.len() >= MANY {
            let (groups, few) = blocks.as_chunks::<GROUP>();
            sum = self.absorb_many(sum, groups);
            rest = few;
        }
        for group in rest.chunks(GROUP) {
            sum = self.absorb_group(sum, group);
        }
        sum
    }

    fn absorb_many(&self, sum: v128, groups: &[[[u8; BLOCK]; GROUP]]) -> v128 {
        // SAFETY: nothing called from here calls this function again.
        let powers = unsafe { POWERS.hold() };
        *powers = *self.powers;
        let mut sum = sum;
        for group in groups {
            let mut by_distance = [u8x16_splat(0); REACH];
            self.products_of_all::<0, 9>(sum, group, powers, &mut by_distance);
            self.products_of_all::<9, 8>(sum, group, powers, &mut by_distance);
            sum = self.gather(&by_distance);
        }
        *powers = [[[u64x2(0, 0); 2]; REACH]; GROUP];
        sum
    }

    /// `products` of a whole group, written out so that each address is a constant.
    #[inline(always)]
    fn products_of_all<const FROM: usize, const COUNT: usize>(
        &self,
        sum: v128,
        group: &[[u8; BLOCK]; GROUP],
        powers: &[Multiplier; GROUP],
        by_distance: &mut [v128; REACH],
    ) {
        let mut sums = [u8x16_splat(0); COUNT];
        macro_rules! blocks {
            ($($number:literal)*) => {$(
                let block = load(&group[$number], 0);
                let x = if $number == 0 { v128_xor(block, sum) } else { block };
                self.add_products::<FROM, COUNT>(x, &powers[GROUP - 1 - $number], &mut sums);
            )*};
        }
        blocks!(0 1 2 3 4 5 6 7);
        by_distance[FROM..FROM + COUNT].copy_from_slice(&sums);
    }

    #[inline(always)]
    fn absorb_group(&self, sum: v128, group: &[[u8; BLOCK]]) -> v128 {
        let powers = &self.powers[..group.len()];
        let mut by_distance = [u8x16_splat(0); REACH];
        // Two passes, so that the sums of each pass fit into registers.
        self.products::<0, 9>(sum, group, powers, &mut by_distance);
        self.products::<9, 8>(sum, group, powers, &mut by_distance);
        self.gather(&by_distance)
    }

    /// Sums the products by distance, for distances from FROM on.
    #[inline(always)]
    fn products<const FROM: usize, const COUNT: usize>(
        &self,
        sum: v128,
        group: &[[u8; BLOCK]],
        powers: &[Multiplier],
        by_distance: &mut [v128; REACH],
    ) {
        let mut sums = [u8x16_splat(0); COUNT];
        let mut before = sum;
        for (block, power) in group.iter().zip(powers.iter().rev()) {
            let x = v128_xor(load(block, 0), before);
            before = u8x16_splat(0);
            self.add_products::<FROM, COUNT>(x, power, &mut sums);
        }
        by_distance[FROM..FROM + COUNT].copy_from_slice(&sums);
    }

    /// Adds those of one block.
    #[inline(always)]
    fn add_products<const FROM: usize, const COUNT: usize>(
        &self,
        x: v128,
        power: &Multiplier,
        sums: &mut [v128; COUNT],
    ) {
        let low = v128_and(x, self.reducer.low);
        let high = v128_and(u16x8_shr(x, 4), self.reducer.low);
        for (at, sum) in sums.iter_mut().enumerate() {
            let [for_low, for_high] = power[FROM + at];
            let product = v128_xor(swizzle(for_low, low), swizzle(for_high, high));
            *sum = v128_xor(*sum, product);
        }
    }

    /// Shifts the sums by their distances, the farthest first, and reduces 256 bits to 128.
    #[inline(always)]
    fn gather(&self, by_distance: &[v128; REACH]) -> v128 {
        let zero = u8x16_splat(0);
        let (mut near, mut far) = (by_distance[REACH - 1], zero);
        for sum in by_distance[..REACH - 1].iter().rev() {
            far = behind(near, far);
            near = v128_xor(behind(zero, near), *sum);
        }
        v128_xor(near, self.reducer.fold(far))
    }
}

impl Reducer {
    /// x^128 times a block; the few bits shifted out at the end are folded once more.
    #[inline(always)]
    fn fold(&self, x: v128) -> v128 {
        let zero = u8x16_splat(0);
        let (here, next) = self.times(x);
        let pushed = behind(next, zero);
        let (pushed_here, pushed_next) = self.times(pushed);
        let pushed = v128_xor(pushed_here, behind(zero, pushed_next));
        v128_xor(v128_xor(here, behind(zero, next)), pushed)
    }

    /// Each byte times the polynomial: the part that stays in place, and the part that moves by a
    /// byte.
    #[inline(always)]
    fn times(&self, x: v128) -> (v128, v128) {
        let low = v128_and(x, self.low);
        let high = v128_and(u16x8_shr(x, 4), self.low);
        let sum = |[for_low, for_high]: [v128; 2]| {
            v128_xor(swizzle(for_low, low), swizzle(for_high, high))
        };
        (sum(self.here), sum(self.behind))
    }
}

/// Shifts `x` by a byte and inserts the last byte of `before`.
#[inline(always)]
fn behind(before: v128, x: v128) -> v128 {
    i8x16_shuffle::<15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30>(before, x)
}

/// The tables of a constant. Its bits, and those of a byte, run from x^0 at the top.
fn multiplier(constant: u128) -> Multiplier {
    let products = [4, 0].map(|offset| products(constant, offset));
    let table = |distance: usize, products: &[[u8; REACH]; 16]| {
        load(&products.map(|product| product[distance]), 0)
    };
    std::array::from_fn(|distance| [0, 1].map(|half| table(distance, &products[half])))
}

/// Every nibble times the constant, unreduced; `offset` is 4 for the lower nibble of a byte.
fn products(constant: u128, offset: u32) -> [[u8; REACH]; 16] {
    std::array::from_fn(|nibble| {
        let (mut near, mut last) = (0u128, 0u8);
        for bit in 0..4 {
            let mask = u128::from(nibble as u8 >> (3 - bit) & 1).wrapping_neg();
            let shift = offset + bit;
            near ^= constant >> shift & mask;
            last ^= (u16::from(constant as u8) << (8 - shift)) as u8 & mask as u8;
        }
        let mut product = [last; REACH];
        product[..BLOCK].copy_from_slice(&near.to_be_bytes());
        product
    })
}

/// SP 800-38D §6.3, without branches on either number.
fn multiply(x: u128, y: u128) -> u128 {
    let (mut product, mut moving) = (0, y);
    for bit in (0..128).rev() {
        product ^= (x >> bit & 1).wrapping_neg() & moving;
        moving = moving >> 1 ^ (moving & 1).wrapping_neg() & POLYNOMIAL;
    }
    product
}
