//! Memory at an address that is known when the module is compiled.
//!
//! V8 as Deno embeds it checks the bounds of each access in code, at three instructions apiece, but
//! not where the address is a constant. Kernels that read memory at every step keep it here.

use std::cell::UnsafeCell;
use std::hint::black_box;

#[repr(align(16))]
pub struct Fixed<T>(UnsafeCell<T>);

// SAFETY: the module has one thread.
unsafe impl<T> Sync for Fixed<T> {}

impl<T> Fixed<T> {
    pub const fn new(value: T) -> Self {
        Fixed(UnsafeCell::new(value))
    }

    /// The content, hidden from the optimizer: it would build constants anew, word by word, at each
    /// use, and would see through a store that is to be read back.
    ///
    /// # Safety
    /// Nobody else may hold it, also not further up the stack.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn hold(&self) -> &mut T {
        black_box(self);
        // SAFETY: the caller's promise.
        unsafe { &mut *self.0.get() }
    }
}
