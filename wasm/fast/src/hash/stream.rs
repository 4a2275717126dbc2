//! Blocks, padding and HMAC around any compression function of the SHA family.

/// A compression function together with its running state.
pub trait Function: Copy {
    /// Bytes compressed at a time.
    type Block: AsRef<[u8]> + AsMut<[u8]> + Copy;
    /// Bytes of the length field that ends a message.
    const LENGTH_BYTES: usize;

    fn start() -> Self;
    fn compress(&mut self, blocks: &[Self::Block]);
    /// Writes as much of the digest as fits.
    fn output(&self, into: &mut [u8]);
}

/// The largest block of the family.
const MAX_BLOCK: usize = 128;

/// A message that is being hashed.
#[derive(Clone, Copy)]
pub struct Stream<F> {
    function: F,
    /// The start of an incomplete block.
    part: [u8; MAX_BLOCK],
    filled: usize,
    total: u64,
}

impl<F: Function> Stream<F> {
    const BLOCK: usize = size_of::<F::Block>();

    pub fn new() -> Self {
        Stream { function: F::start(), part: [0; MAX_BLOCK], filled: 0, total: 0 }
    }

    pub fn update(&mut self, mut bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if self.filled > 0 {
            let length = bytes.len().min(Self::BLOCK - self.filled);
            self.part[self.filled..][..length].copy_from_slice(&bytes[..length]);
            self.filled += length;
            bytes = &bytes[length..];
            if self.filled < Self::BLOCK {
                return;
            }
            self.compress_part();
        }
        let whole = bytes.len() / Self::BLOCK;
        let (blocks, rest) = bytes.split_at(whole * Self::BLOCK);
        // SAFETY: blocks are arrays of bytes, and the slice holds `whole` of them.
        self.function
            .compress(unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast(), whole) });
        self.part[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    /// FIPS 180-4 §5.1: a one bit, zeros, and the length in bits.
    pub fn finish(mut self, into: &mut [u8]) {
        let bits = self.total * 8;
        self.part[self.filled..].fill(0);
        self.part[self.filled] = 0x80;
        if self.filled + 1 + F::LENGTH_BYTES > Self::BLOCK {
            self.compress_part();
            self.part.fill(0);
        }
        self.part[Self::BLOCK - 8..Self::BLOCK].copy_from_slice(&bits.to_be_bytes());
        self.compress_part();
        self.function.output(into);
    }

    fn compress_part(&mut self) {
        // SAFETY: `part` is at least a block long, and a block is an array of bytes.
        let block = unsafe { &*self.part.as_ptr().cast::<F::Block>() };
        self.function.compress(std::slice::from_ref(block));
        self.filled = 0;
    }
}

/// HMAC (RFC 2104); the blocks of the key are absorbed only once.
pub struct Keyed<F> {
    inner: Stream<F>,
    outer: Stream<F>,
}

impl<F: Function> Keyed<F> {
    pub fn new(key: &[u8], size: usize) -> Self {
        let mut block = [0; MAX_BLOCK];
        if key.len() > Stream::<F>::BLOCK {
            let mut digest = Stream::<F>::new();
            digest.update(key);
            digest.finish(&mut block[..size]);
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let padded = |with: u8| {
            let mut stream = Stream::new();
            stream.update(&block.map(|byte| byte ^ with)[..Stream::<F>::BLOCK]);
            stream
        };
        Keyed { inner: padded(0x36), outer: padded(0x5c) }
    }

    pub fn tag(&self, parts: &[&[u8]], into: &mut [u8]) {
        let mut inner = self.inner;
        parts.iter().for_each(|part| inner.update(part));
        inner.finish(into);
        let mut outer = self.outer;
        outer.update(into);
        outer.finish(into);
    }
}
