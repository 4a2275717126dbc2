//! Key agreement, signatures, and private key files.

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
