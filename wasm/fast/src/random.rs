//! Randomness comes from `crypto.getRandomValues`: directly for keys, through a pool for padding.

use rand_core::{TryCryptoRng, TryRng};
use std::cell::RefCell;
use std::convert::Infallible;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(into: &mut [u8]);
}

/// The limit of one call of getRandomValues.
const QUOTA: usize = 65536;
const POOL: usize = 4096;

struct Pool {
    bytes: [u8; POOL],
    used: usize,
}

thread_local! {
    static PADDING: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL], used: POOL }) };
}

/// Fills `into` with fresh random bytes, for keys.
pub fn fill(into: &mut [u8]) {
    into.chunks_mut(QUOTA).for_each(get_random_values);
}

pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// Fills at most 255 bytes of padding. RFC 4253 §6: padding SHOULD be random.
pub fn pad(into: &mut [u8]) {
    PADDING.with_borrow_mut(|pool| {
        if pool.used + into.len() > POOL {
            get_random_values(&mut pool.bytes);
            pool.used = 0;
        }
        into.copy_from_slice(&pool.bytes[pool.used..][..into.len()]);
        pool.used += into.len();
    });
}

/// A random generator for the crates that need one.
pub struct Fresh;

impl TryRng for Fresh {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(bytes()))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(bytes()))
    }
    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Infallible> {
        fill(into);
        Ok(())
    }
}

impl TryCryptoRng for Fresh {}

/// A generator for ring that returns these bytes, whose number must match the request.
#[allow(deprecated)]
pub type Given<'a> = ring::test::rand::FixedSliceRandom<'a>;

fn for_getrandom(into: &mut [u8]) -> Result<(), getrandom::Error> {
    fill(into);
    Ok(())
}

getrandom::register_custom_getrandom!(for_getrandom);
