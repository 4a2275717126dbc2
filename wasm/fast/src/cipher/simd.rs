//! Vector helpers that the kernels share.

pub use core::arch::wasm32::*;

/// Reads 16 bytes, aligned or not.
#[inline(always)]
pub fn load(from: &[u8], at: usize) -> v128 {
    let bytes = from[at..at + 16].as_ptr();
    // SAFETY: slicing has checked that there are 16 bytes.
    unsafe { v128_load(bytes.cast()) }
}

#[inline(always)]
pub fn store(into: &mut [u8], at: usize, value: v128) {
    let bytes = into[at..at + 16].as_mut_ptr();
    // SAFETY: slicing has checked that there are 16 bytes.
    unsafe { v128_store(bytes.cast(), value) }
}

/// XORs 16 bytes in place.
#[inline(always)]
pub fn xor_at(text: &mut [u8], at: usize, key: v128) {
    store(text, at, v128_xor(load(text, at), key));
}

/// Picks bytes of `table` by `index`, which must all be below 16: relaxed SIMD leaves the result of
/// others undefined, and in return needs only a single instruction on every CPU. For runtimes
/// without relaxed SIMD the loader replaces it with `i8x16.swizzle`.
#[inline(always)]
pub fn swizzle(table: v128, index: v128) -> v128 {
    i8x16_relaxed_swizzle(table, index)
}

/// Four vectors of 32-bit words as a 4x4 matrix, rows for columns.
#[inline(always)]
pub fn transpose(a: v128, b: v128, c: v128, d: v128) -> [v128; 4] {
    let ab_low = i32x4_shuffle::<0, 4, 1, 5>(a, b);
    let ab_high = i32x4_shuffle::<2, 6, 3, 7>(a, b);
    let cd_low = i32x4_shuffle::<0, 4, 1, 5>(c, d);
    let cd_high = i32x4_shuffle::<2, 6, 3, 7>(c, d);
    [
        i64x2_shuffle::<0, 2>(ab_low, cd_low),
        i64x2_shuffle::<1, 3>(ab_low, cd_low),
        i64x2_shuffle::<0, 2>(ab_high, cd_high),
        i64x2_shuffle::<1, 3>(ab_high, cd_high),
    ]
}
