//! Memory at an address that is known at compile time.
//!
//! V8 in Deno checks the bounds of each access with three instructions, except for constant
//! addresses. Kernels that read memory at every step keep it here.

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

    /// The content, hidden from the optimizer, which would rebuild constants word by word at each
    /// use, and remove a store that is read back.
    ///
    /// # Safety
    /// There must be no other reference to it, including callers on the stack.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn hold(&self) -> &mut T {
        black_box(self);
        // SAFETY: guaranteed by the caller.
        unsafe { &mut *self.0.get() }
    }
}
