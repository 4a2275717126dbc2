//! scrypt (RFC 7914).

use scrypt::Params;

/// Fills `key`. None if the length or a parameter is out of range.
#[inline(never)]
pub fn derive(
    passphrase: &[u8],
    salt: &[u8],
    (log_n, block_size, parallelism): (u8, u32, u32),
    key: &mut [u8],
) -> Option<()> {
    let parameters = Params::new(log_n, block_size, parallelism).ok()?;
    scrypt::scrypt(passphrase, salt, &parameters, key).ok()
}
