//! Matrix products.

use super::*;

/// `c[i][j] = sum_k a[i][k] b[k][j]` (plus the old `c[i][j]` if `accumulate`).
pub struct Product<'a> {
    /// Rows of `a` and `c`.
    pub rows: usize,
    /// Terms of each sum.
    pub depth: usize,
    /// Columns of `b` and `c`, a multiple of [`LANES`].
    pub columns: usize,
    /// Left operand.
    pub a: &'a [f64],
    /// Distance between its rows.
    pub a_stride: usize,
    /// Right operand.
    pub b: &'a [f64],
    /// Distance between its rows.
    pub b_stride: usize,
    /// Result.
    pub c: &'a mut [f64],
    /// Distance between its rows.
    pub c_stride: usize,
    /// Add to what is there.
    pub accumulate: bool,
}

impl Kernel for Product<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(mut self) {
        if self.depth == 0 {
            for i in 0..if self.accumulate { 0 } else { self.rows } {
                self.c[i * self.c_stride..][..self.columns].fill(0.0);
            }
            return;
        }
        // A short operand must not end a sum early.
        self.b = &self.b[..(self.depth - 1) * self.b_stride + self.columns];
        let mut j = 0;
        while j < self.columns {
            // These blocks stay in registers and keep both multipliers busy; larger ones were measured not to.
            let vectors = ((self.columns - j) / LANES).min(4);
            match vectors {
                1 => self.column_block::<8, 1, FUSED>(j),
                2 => self.column_block::<8, 2, FUSED>(j),
                3 => self.column_block::<4, 3, FUSED>(j),
                _ => self.column_block::<4, 4, FUSED>(j),
            }
            j += LANES * vectors;
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn column_block<const M: usize, const V: usize, const FUSED: bool>(&mut self, j: usize) {
        // Closures would not be compiled for the wide vectors.
        let mut i = 0;
        while i + M <= self.rows {
            self.block::<M, V, FUSED>(i, j);
            i += M;
        }
        while i + 2 <= self.rows {
            self.block::<2, V, FUSED>(i, j);
            i += 2;
        }
        if i < self.rows {
            self.block::<1, V, FUSED>(i, j);
        }
    }

    #[inline(always)]
    fn block<const M: usize, const V: usize, const FUSED: bool>(&mut self, i: usize, j: usize) {
        // Slices of one visible length, so that no index in the loop below has to be checked.
        let depth = self.depth;
        let mut rows: [&[f64]; M] = [&[]; M];
        for r in 0..M {
            rows[r] = &self.a[(i + r) * self.a_stride..][..depth];
        }
        let mut sums = [[[0.0; LANES]; V]; M];
        for (k, b) in self.b.chunks(self.b_stride).take(depth).enumerate() {
            let b = vectors(&b[j..][..V * LANES]);
            for r in 0..M {
                for v in 0..V {
                    sums[r][v] = multiply_add::<FUSED>([rows[r][k]; LANES], b[v], sums[r][v]);
                }
            }
        }
        for r in 0..M {
            let target: &mut [Vector] = self.c[(i + r) * self.c_stride + j..][..V * LANES].as_chunks_mut().0;
            for v in 0..V {
                target[v] = if self.accumulate { sum(target[v], sums[r][v]) } else { sums[r][v] };
            }
        }
    }
}

/// `out[i] = sum_j |w[i][j]| m[j]` for rows of `width`, a multiple of [`LANES`].
pub struct AbsoluteProducts<'a> {
    /// The rows.
    pub weights: &'a [f64],
    /// Their length.
    pub width: usize,
    /// Nonnegative factors.
    pub factors: &'a [f64],
    /// One per row; added to.
    pub out: &'a mut [Vector],
}

impl Kernel for AbsoluteProducts<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let m = vectors(&self.factors[..self.width]);
        for (row, o) in self.weights.chunks_exact(self.width.max(1)).zip(self.out) {
            let mut sums = *o;
            for (&w, &m) in vectors(row).iter().zip(m) {
                sums = multiply_add::<FUSED>(absolute(w), m, sums);
            }
            *o = sums;
        }
    }
}
