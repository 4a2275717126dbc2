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
    let keep = std::hint::black_box(borrow).wrapping_sub(1) as u32; // all ones if >=
    let mut borrow = 0;
    for (limb, part) in number.iter_mut().zip(padded()) {
        let part = u64::from(part & keep);
        let difference = u64::from(*limb).wrapping_sub(part).wrapping_sub(borrow);
        *limb = difference as u32;
        borrow = difference >> 63;
    }
}

/// `base ^ exponent mod modulus` for an odd modulus and public numbers, in Montgomery's form.
pub fn power(base: &[u8], exponent: u64, modulus: &[u8]) -> Vec<u8> {
    let m = limbs(modulus);
    // R, and R² for the way into Montgomery's form, with R = 2^(32 limbs).
    let one = limbs(&reduce(&shifted(m.len()), modulus));
    let square = limbs(&reduce(&shifted(2 * m.len()), modulus));
    let base = montgomery(&limbs(&reduce(base, modulus)), &square, &m);
    let mut power = one;
    for bit in (0..u64::BITS - exponent.leading_zeros()).rev() {
        power = montgomery(&power, &power, &m);
        if exponent >> bit & 1 != 0 {
            power = montgomery(&power, &base, &m);
        }
    }
    let mut unit = vec![0; m.len()];
    unit[0] = 1;
    let plain = montgomery(&power, &unit, &m);
    plain.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
}

/// 2^(32 limbs).
fn shifted(limbs: usize) -> Vec<u8> {
    let mut number = vec![0; 4 * limbs + 1];
    number[0] = 1;
    number
}

/// `a b / R mod m`, limb by limb.
fn montgomery(a: &[u32], b: &[u32], m: &[u32]) -> Vec<u32> {
    // Newton: each step doubles the bits of 1/m that are right.
    let inverse = (0..5).fold(1u32, |x, _| x.wrapping_mul(2u32.wrapping_sub(m[0].wrapping_mul(x))));
    let mut sum = vec![0u32; m.len() + 2];
    for limb in a {
        add_product(&mut sum, *limb, b);
        let multiple = sum[0].wrapping_mul(inverse.wrapping_neg());
        add_product(&mut sum, multiple, m);
        sum.copy_within(1.., 0);
        *sum.last_mut().expect("a limb") = 0;
    }
    sum.truncate(m.len() + 1);
    subtract_if_not_less(&mut sum, m);
    sum.truncate(m.len());
    sum
}

fn add_product(sum: &mut [u32], factor: u32, number: &[u32]) {
    let mut carry = 0;
    for (at, limb) in sum.iter_mut().enumerate() {
        let part = number.get(at).map_or(0, |limb| u64::from(*limb) * u64::from(factor));
        let total = u64::from(*limb) + part + carry;
        *limb = total as u32;
        carry = total >> 32;
    }
}

/// Little-endian limbs.
fn limbs(number: &[u8]) -> Vec<u32> {
    let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    number.rchunks(4).map(word).collect()
}
