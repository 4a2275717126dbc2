//! Secrets do not outlive their use: freed memory is zeroed, and so is the stack below a call.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;

/// The system allocator, except that every block is zeroed before it is freed. Growing a block
/// copies
/// it through `alloc` and `dealloc` (the trait's default), so old copies are zeroed as well.
pub struct Wiping;

unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe {
            wipe(std::slice::from_raw_parts_mut(block, layout.size()));
            System.dealloc(block, layout);
        }
    }
}

/// Zeroes bytes in a way that the optimizer may not drop.
pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    black_box(bytes.as_ptr());
}

/// Does secret work and zeroes the stack that it used: spilled keys, round keys, scalars. The work
/// has a separate frame below this one, so that all of it is zeroed.
#[inline(never)]
pub fn scrubbed<T>(work: impl FnOnce() -> T) -> T {
    let result = apart(work);
    wipe_stack();
    result
}

#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Zeroes 48 KiB below the current stack frame, which covers the deepest work (ML-KEM).
#[inline(never)]
pub fn wipe_stack() {
    let mut below = [0u8; 48 * 1024];
    wipe(black_box(&mut below));
}
