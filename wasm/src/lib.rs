//! The packet core of `@denossh/ssh`: framing, ciphers, MACs and the keys they use never leave
//! this module. TypeScript hands in bytes and takes payloads out.

mod argon2;
mod bcrypt;
mod cipher;
mod equal;
mod fixed;
mod frame;
mod hash;
mod kdf;
mod kex;
mod key_file_cipher;
mod md5;
mod memory;
mod modular;
mod p521;
mod pbes2;
mod random;
mod rsa;
mod sign;

#[global_allocator]
static ALLOCATOR: memory::Wiping = memory::Wiping;
