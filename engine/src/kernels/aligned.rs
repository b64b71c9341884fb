//! Buffers that start on a cache line.

use crate::numerics::Real;

/// One cache line of numbers; only its alignment matters.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// A growable, zero-filled buffer aligned to 64 bytes.
#[derive(Clone, Default)]
pub struct Aligned<F> {
    lines: Vec<Line>,
    len: usize,
    element: std::marker::PhantomData<F>,
}

impl<F: Real> Aligned<F> {
    /// A buffer of `len` zeros.
    pub fn zeros(len: usize) -> Aligned<F> {
        let mut buffer = Aligned { lines: Vec::new(), len: 0, element: std::marker::PhantomData };
        buffer.reset(len);
        buffer
    }

    /// Makes it `len` zeros, keeping the allocation.
    pub fn reset(&mut self, len: usize) {
        self.lines.clear();
        self.grow(len);
    }

    /// Makes it `len` long; old contents stay where they were, new elements are zero or stale, never uninitialised.
    pub fn grow(&mut self, len: usize) {
        let lines = (len * size_of::<F>()).div_ceil(64);
        if lines > self.lines.len() {
            self.lines.resize(lines, Line([0; 64]));
        }
        self.len = len;
    }
}

impl<F> std::ops::Deref for Aligned<F> {
    type Target = [F];
    fn deref(&self) -> &[F] {
        // SAFETY: `lines` holds at least `len` elements' bytes, initialised, aligned to 64 >= align_of::<F>();
        // `F` is f32 or f64 (the only `Real`s), for which any bytes are valid.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<F> std::ops::DerefMut for Aligned<F> {
    fn deref_mut(&mut self) -> &mut [F] {
        // SAFETY: as for `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl<F> std::fmt::Debug for Aligned<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Aligned({})", self.len)
    }
}
