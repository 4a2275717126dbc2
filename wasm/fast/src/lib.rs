//! The code for packets and the usual key exchanges: framing, ciphers, digests, KEMs and scrypt.
//!
//! Generic code is compiled in the crate that names its types, with the settings of that crate, so
//! fast types are named here. A function that the other crate calls once must not be inlined there,
//! where it would be compiled for size.

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
