//! AES's S-box as look-ups of nibbles, worked out at compile time from the field alone.
//!
//! The idea is Mike Hamburg's ("Accelerating AES with Vector Permute Instructions", CHES 2009):
//! write a byte x as k t + i over GF(16), with t² + t + ζ = 0, and let j = i + k. Then with
//!
//! ```text
//! u = 1 / (1 / (1/i + 1/(ζk)) + j)      v = 1 / (1 / (1/j + 1/(ζk)) + i)
//! ```
//!
//! the inverse of x is u (t + ζ) + v (t + ζ + 1), so that all it takes is tables of 16 entries.
//! Division by zero gives `INFINITY`: a swizzle by an index with that bit is 0, which is 1/∞, and
//! that is what makes the zeros come out right without a branch.

pub type Table = [u8; 16];

const INFINITY: u8 = 0x80;

/// Multiplies in AES's field (FIPS 197 §4.2).
const fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

/// A generator of GF(16) inside GF(256): a root of w⁴ + w + 1.
const W: u8 = {
    let mut w = 2;
    loop {
        let square = multiply(w, w);
        if multiply(square, square) ^ w ^ 1 == 0 {
            break w;
        }
        w += 1;
    }
};

/// A nibble as the element of GF(256) that it stands for.
const fn embed(nibble: u8) -> u8 {
    let (mut sum, mut power, mut at) = (0, 1, 0);
    while at < 4 {
        if nibble >> at & 1 != 0 {
            sum ^= power;
        }
        power = multiply(power, W);
        at += 1;
    }
    sum
}

/// ζ as a nibble, and t: the first for which t lies outside GF(16).
const ZETA_T: (u8, u8) = {
    let mut zeta = 1;
    'search: loop {
        let mut t = 2;
        while t < 255 {
            if multiply(t, t) ^ t == embed(zeta) && !inside(t) {
                break 'search (zeta, t);
            }
            t += 1;
        }
        zeta += 1;
    }
};

const fn inside(element: u8) -> bool {
    let mut nibble = 0;
    while nibble < 16 {
        if embed(nibble) == element {
            return true;
        }
        nibble += 1;
    }
    false
}

const ZETA: u8 = embed(ZETA_T.0);
const T: u8 = ZETA_T.1;

/// From a byte k t + i, k in the upper nibble, to AES's own representation.
const fn from_tower(byte: u8) -> u8 {
    multiply(embed(byte >> 4), T) ^ embed(byte & 15)
}

const TO_TOWER: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[from_tower(byte as u8) as usize] = byte as u8;
        byte += 1;
    }
    table
};

pub const fn to_tower(byte: u8) -> u8 {
    TO_TOWER[byte as usize]
}

/// `a / b` of nibbles.
const fn divide(a: u8, b: u8) -> u8 {
    let mut quotient = 0;
    while quotient < 16 {
        if b != 0 && multiply(embed(quotient), embed(b)) == embed(a) {
            return quotient;
        }
        quotient += 1;
    }
    INFINITY
}

/// The linear part of SubBytes' affine map (FIPS 197 §5.1.1).
const fn affine(x: u8) -> u8 {
    x ^ x.rotate_left(1) ^ x.rotate_left(2) ^ x.rotate_left(3) ^ x.rotate_left(4)
}

/// What 1/n of a nibble n adds to `scale` times the S-box's output, if it is multiplied by `part`.
const fn output(n: u8, part: u8, scale: u8) -> u8 {
    if n == 0 { 0 } else { multiply(scale, affine(multiply(embed(divide(1, n)), part))) }
}

macro_rules! table {
    ($n:ident => $entry:expr) => {{
        let mut table = [0; 16];
        let mut $n = 0u8;
        while $n < 16 {
            table[$n as usize] = $entry;
            $n += 1;
        }
        table
    }};
}

const U: u8 = T ^ ZETA;
const V: u8 = T ^ ZETA ^ 1;

/// 1/n.
pub const INVERSE: Table = table!(n => divide(1, n));
/// 1/(ζn).
pub const INVERSE_ZETA: Table = table!(n => divide(divide(1, ZETA_T.0), n));
/// The S-box, in the tower's representation: look up 1/u and 1/v, and add.
pub const ONCE: [Table; 2] =
    [table!(n => to_tower(output(n, U, 1))), table!(n => to_tower(output(n, V, 1)))];
/// Twice the S-box, for MixColumns.
pub const TWICE: [Table; 2] =
    [table!(n => to_tower(output(n, U, 2))), table!(n => to_tower(output(n, V, 2)))];
/// The S-box in AES's own representation, for the last round.
pub const LAST: [Table; 2] = [table!(n => output(n, U, 1)), table!(n => output(n, V, 1))];
/// The way into the tower, by lower and upper nibble.
pub const ENTER: [Table; 2] = [table!(n => to_tower(n)), table!(n => to_tower(n << 4))];

/// What SubBytes adds at the end. It goes into the round keys: MixColumns keeps it as it is.
pub const CONSTANT: u8 = 0x63;

/// ShiftRows, `times` over, as an index for a swizzle (FIPS 197 §5.1.2).
pub const fn shift_rows(times: usize) -> Table {
    table!(at => {
        let (column, row) = (at as usize / 4, at as usize % 4);
        (4 * ((column + times * row) % 4) + row) as u8
    })
}

/// The step by `rows` down each column, in a state to which ShiftRows is still owed `times` over.
pub const fn step(rows: usize, times: usize) -> Table {
    table!(at => {
        let (column, row) = (at as usize / 4, at as usize % 4);
        let below = (row + rows) % 4;
        (4 * ((column + (4 - times) * row + times * below) % 4) + below) as u8
    })
}
