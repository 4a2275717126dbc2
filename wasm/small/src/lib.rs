//! Key agreement, signatures, and keys at rest.

mod argon2;
mod bcrypt;
mod kex;
mod key_file_cipher;
mod md5;
mod modular;
mod p521;
mod pbes2;
mod rsa;
mod sign;
