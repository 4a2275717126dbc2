//! What packets and the usual key exchanges run through: framing, ciphers, digests, KEMs and scrypt.
//!
//! Generic code is compiled in the crate that names its types, with the settings of that crate, so types
//! that have to be fast are named here. A function that is called once from the other crate must not be
//! inlined there: it would be compiled for size.

pub mod cipher;
pub mod equal;
pub mod fixed;
mod frame;
pub mod hash;
mod kdf;
pub mod kem;
pub mod memory;
pub mod random;
pub mod scrypt;

#[global_allocator]
static ALLOCATOR: memory::Wiping = memory::Wiping;
