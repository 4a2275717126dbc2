//! SHA-2's constants, computed as FIPS 180-4 defines them, from the fractional parts of roots of
//! the first primes. SHA-256's are the upper halves of SHA-512's.

/// §4.2.3: cube roots of the first 80 primes.
pub const K512: [[u64; 16]; 5] = {
    let mut table = [[0; 16]; 5];
    let mut at = 0;
    while at < 80 {
        table[at / 16][at % 16] = fraction(prime(at), 3);
        at += 1;
    }
    table
};

pub const K256: [[u32; 16]; 4] = {
    let mut table = [[0; 16]; 4];
    let mut at = 0;
    while at < 64 {
        table[at / 16][at % 16] = (K512[at / 16][at % 16] >> 32) as u32;
        at += 1;
    }
    table
};

/// §5.3.5: square roots of the first eight primes.
pub const IV512: [u64; 8] = square_roots(0);
/// §5.3.4: of the next eight.
pub const IV384: [u64; 8] = square_roots(8);

/// §5.3.2: the lower halves of SHA-384's.
pub const IV224: [u32; 8] = {
    let mut table = [0; 8];
    let mut at = 0;
    while at < 8 {
        table[at] = IV384[at] as u32;
        at += 1;
    }
    table
};

pub const IV256: [u32; 8] = {
    let mut table = [0; 8];
    let mut at = 0;
    while at < 8 {
        table[at] = (IV512[at] >> 32) as u32;
        at += 1;
    }
    table
};

const fn square_roots(from: usize) -> [u64; 8] {
    let mut table = [0; 8];
    let mut at = 0;
    while at < 8 {
        table[at] = fraction(prime(from + at), 2);
        at += 1;
    }
    table
}

const fn prime(index: usize) -> u64 {
    let (mut found, mut candidate) = (0, 2);
    loop {
        let mut divisor = 2;
        while divisor * divisor <= candidate && candidate % divisor != 0 {
            divisor += 1;
        }
        if divisor * divisor > candidate {
            if found == index {
                return candidate;
            }
            found += 1;
        }
        candidate += 1;
    }
}

/// The first 64 bits of the fractional part of `number`'s square or cube root, computed from the
/// top bit down.
const fn fraction(number: u64, degree: usize) -> u64 {
    let mut whole = 1;
    while (whole + 1u64).pow(degree as u32) <= number {
        whole += 1;
    }
    let mut fraction = 0;
    let mut bit = 64;
    while bit > 0 {
        bit -= 1;
        if power_below(whole, fraction | 1 << bit, degree, number) {
            fraction |= 1 << bit;
        }
    }
    fraction
}

/// Whether (whole + fraction / 2^64)^degree < number.
const fn power_below(whole: u64, fraction: u64, degree: usize, number: u64) -> bool {
    let mut power = [fraction, whole, 0, 0];
    let mut step = 1;
    while step < degree {
        power = times(power, whole, fraction);
        step += 1;
    }
    power[degree] < number
}

/// Little-endian limbs, times whole * 2^64 + fraction.
const fn times(number: [u64; 4], whole: u64, fraction: u64) -> [u64; 4] {
    let mut product = [0u64; 4];
    let (mut carry, mut at) = (0u128, 0);
    while at < 4 {
        let below = if at == 0 { 0 } else { number[at - 1] as u128 * whole as u128 };
        let here = number[at] as u128 * fraction as u128;
        let (sum, over) = here.overflowing_add(below);
        let (sum, more) = sum.overflowing_add(carry);
        product[at] = sum as u64;
        carry = (sum >> 64) | (over as u128 + more as u128) << 64;
        at += 1;
    }
    product
}
