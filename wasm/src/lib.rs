//! The core of `@denossh/ssh` as one module. It only links two crates: code for packets and the
//! usual key exchanges, compiled for speed, and the rest, compiled for size.

pub use {denossh_fast as fast, denossh_small as small};
