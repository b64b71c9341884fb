//! Constant matrices, packed once for many products.

use std::ops::Range;

use super::{Aligned, Kernel, LANES, View, padded};

/// Terms per block of [`Packed::multiply_blocked`].
const DEPTH: usize = 32;

/// Roundings that a term of a blocked product of `depth` terms meets, adding to an old value included.
pub fn block_roundings(depth: usize) -> usize {
    depth.min(DEPTH) + depth.div_ceil(DEPTH) + 1
}

/// Columns per panel: one register block of the widest kernel.
const PANEL: usize = 64;

/// A constant `depth x columns` matrix in column panels, each contiguous, zero-padded to whole vectors.
#[derive(Clone, Debug)]
pub struct Packed<F> {
    depth: usize,
    columns: usize,
    panels: Aligned<F>,
}

impl<F: Kernel> Packed<F> {
    /// Packs the matrix whose element `(k, j)` is `at(k, j)`.
    pub fn new(depth: usize, columns: usize, at: impl Fn(usize, usize) -> F) -> Packed<F> {
        let mut panels = Aligned::zeros(depth * padded(columns));
        for first in (0..columns).step_by(PANEL) {
            let width = padded(columns - first).min(PANEL);
            let panel = &mut panels[depth * first..];
            for k in 0..depth {
                for j in first..columns.min(first + PANEL) {
                    panel[k * width + j - first] = at(k, j);
                }
            }
        }
        Packed { depth, columns, panels }
    }

    /// `y = x B` (plus the old `y` if `accumulate`) for each of `rows` rows, where the columns are whole vectors: in blocks of
    /// `DEPTH` terms, so that a term meets at most [`block_roundings`] roundings.
    pub fn multiply_blocked(&self, x: &[F], y: &mut [F], rows: usize, accumulate: bool) {
        assert!(self.columns.is_multiple_of(LANES), "columns must be whole vectors");
        assert!(x.len() >= rows * self.depth && y.len() >= rows * self.columns, "operands too short");
        if rows == 0 {
            return;
        }
        for first in (0..self.columns).step_by(PANEL) {
            let width = (self.columns - first).min(PANEL);
            let panel = &self.panels[self.depth * first..][..self.depth * width];
            for start in (0..self.depth.max(1)).step_by(DEPTH) {
                let depth = (self.depth - start).min(DEPTH);
                let a = View { data: &x[start.min(x.len())..], stride: self.depth };
                let b = View { data: &panel[start * width..], stride: width };
                F::product(rows, depth, width, a, b, &mut y[first..], self.columns, accumulate || start > 0, false);
            }
        }
    }

    /// `y += x B` for each of `rows` rows of `x` (`depth` long) and `y` (`columns` long); with `|B|` if `absolute`.
    pub fn multiply_add(&self, x: &[F], y: &mut [F], rows: usize, absolute: bool) {
        self.multiply_terms(x, y, rows, absolute, 0..self.depth);
    }

    /// As [`Packed::multiply_add`], in blocks of `DEPTH` terms: a term meets at most [`block_roundings`] roundings.
    pub fn multiply_add_blocked(&self, x: &[F], y: &mut [F], rows: usize) {
        for start in (0..self.depth).step_by(DEPTH) {
            self.multiply_terms(x, y, rows, false, start..self.depth.min(start + DEPTH));
        }
    }

    fn multiply_terms(&self, x: &[F], y: &mut [F], rows: usize, absolute: bool, terms: Range<usize>) {
        assert!(x.len() >= rows * self.depth && y.len() >= rows * self.columns, "operands too short");
        let mut block = Aligned::<F>::default();
        for first in (0..self.columns).step_by(PANEL) {
            let width = padded(self.columns - first).min(PANEL);
            let used = (self.columns - first).min(PANEL);
            let b = View { data: &self.panels[self.depth * first + terms.start * width..][..terms.len() * width], stride: width };
            let a = View { data: &x[terms.start.min(x.len())..], stride: self.depth };
            if used == width {
                F::product(rows, terms.len(), width, a, b, &mut y[first..], self.columns, true, absolute);
                continue;
            }
            // A ragged last panel would write past the row: go through a padded block.
            block.reset(rows * width);
            F::product(rows, terms.len(), width, a, b, &mut block, width, false, absolute);
            for r in 0..rows {
                let target = &mut y[r * self.columns + first..][..used];
                target.iter_mut().zip(&block[r * width..]).for_each(|(t, &v)| *t += v);
            }
        }
    }
}
