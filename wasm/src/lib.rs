//! The core of `@denossh/ssh` as one module. It only links the two crates that it is made of: what
//! packets and the usual key exchanges need is compiled for speed, the rest for size.

pub use {denossh_fast as fast, denossh_small as small};
