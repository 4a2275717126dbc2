//! The little arithmetic on big numbers that ring keeps to itself. Numbers are big-endian bytes.

/// `number mod modulus` in time that depends on lengths only: bit by bit, as on paper.
pub fn reduce(number: &[u8], modulus: &[u8]) -> Vec<u8> {
    let modulus = limbs(modulus);
    let mut rest = vec![0u32; modulus.len() + 1];
    for bit in number.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        let mut carry = u32::from(bit);
        for limb in rest.iter_mut() {
            (*limb, carry) = (*limb << 1 | carry, *limb >> 31);
        }
        subtract_if_not_less(&mut rest, &modulus);
    }
    rest.truncate(modulus.len());
    rest.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
}

/// `number - 1` for an odd number.
pub fn less_one(odd: &[u8]) -> Vec<u8> {
    let mut even = odd.to_vec();
    if let Some(last) = even.last_mut() {
        *last &= 0xfe;
    }
    even
}

fn subtract_if_not_less(number: &mut [u32], modulus: &[u32]) {
    let padded = || modulus.iter().copied().chain(std::iter::once(0));
    let mut borrow = 0;
    for (limb, part) in number.iter().zip(padded()) {
        let difference = u64::from(*limb).wrapping_sub(u64::from(part)).wrapping_sub(borrow);
        borrow = difference >> 63;
    }
    let keep = u64::from(std::hint::black_box(borrow)).wrapping_sub(1) as u32; // all ones if >=
    let mut borrow = 0;
    for (limb, part) in number.iter_mut().zip(padded()) {
        let part = u64::from(part & keep);
        let difference = u64::from(*limb).wrapping_sub(part).wrapping_sub(borrow);
        *limb = difference as u32;
        borrow = difference >> 63;
    }
}

/// Little-endian limbs.
fn limbs(number: &[u8]) -> Vec<u32> {
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    number.rchunks(4).map(word).collect()
}
