//! The loops that take the time, in safe code compiled for each vector unit and picked at run time.
//!
//! Contract: every sum is *some* order of summation of its products, with or without fused multiply-add; the bounds
//! `gamma_n` of [`crate::rounding`] cover all of them.

use std::sync::OnceLock;

/// Numbers per vector: rows are padded to multiples of it.
pub const LANES: usize = 8;

/// `n` rounded up to whole vectors.
pub fn padded(n: usize) -> usize {
    n.div_ceil(LANES) * LANES
}

/// A loop over slices; `FUSED` says that fused multiply-add is a single instruction.
pub trait Kernel {
    /// Does the work.
    fn run<const FUSED: bool>(self);
}

/// Runs a kernel with the widest vectors of this processor.
pub fn run<K: Kernel>(kernel: K) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        fn wide<K: Kernel>(kernel: K) {
            kernel.run::<true>();
        }
        #[target_feature(enable = "avx2,fma")]
        fn medium<K: Kernel>(kernel: K) {
            kernel.run::<true>();
        }
        let chosen: unsafe fn(K) = match level() {
            2 => wide::<K>,
            1 => medium::<K>,
            _ => plain::<K>,
        };
        // SAFETY: all three are safe functions; `level` has found the features that the chosen one is compiled for.
        #[allow(unsafe_code)]
        unsafe {
            chosen(kernel)
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    plain(kernel);
}

fn plain<K: Kernel>(kernel: K) {
    kernel.run::<false>();
}

/// 2: AVX-512, 1: AVX2 with FMA, 0: anything else.
#[cfg(target_arch = "x86_64")]
fn level() -> u8 {
    static LEVEL: OnceLock<u8> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        use std::arch::is_x86_feature_detected as has;
        let medium = has!("avx2") && has!("fma");
        let wide = medium && has!("avx512f") && has!("avx512vl") && has!("avx512dq") && has!("avx512bw");
        medium as u8 + wide as u8
    })
}

/// Partial sums, one per lane. Sums stay apart while rows are under way: adding lanes up inside a kernel makes the
/// compiler use narrow vectors for all of it.
pub type Vector = [f64; LANES];

/// `a b + c`.
#[inline(always)]
fn multiply_add<const FUSED: bool>(a: Vector, b: Vector, c: Vector) -> Vector {
    std::array::from_fn(|l| if FUSED { a[l].mul_add(b[l], c[l]) } else { a[l] * b[l] + c[l] })
}

#[inline(always)]
fn absolute(a: Vector) -> Vector {
    std::array::from_fn(|l| a[l].abs())
}

/// The positive and the negative part, exactly (comparisons are not compiled to vectors). Numbers above half the largest
/// one become infinite, NaN stays NaN.
#[inline(always)]
fn parts(x: Vector) -> (Vector, Vector) {
    (std::array::from_fn(|l| 0.5 * (x[l] + x[l].abs())), std::array::from_fn(|l| 0.5 * (x[l] - x[l].abs())))
}

/// The whole vectors of a slice.
#[inline(always)]
fn vectors(x: &[f64]) -> &[Vector] {
    x.as_chunks().0
}

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
        let mut j = 0;
        while j < self.columns {
            // These blocks stay in registers; larger ones were measured not to.
            match (self.columns - j) / LANES {
                1 => self.column_block::<4, 1, FUSED>(j),
                2 | 3 => self.column_block::<4, 2, FUSED>(j),
                _ => self.column_block::<2, 4, FUSED>(j),
            }
            j += LANES * [1, 2, 2, 4][((self.columns - j) / LANES).min(4) - 1];
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
        while i < self.rows {
            self.block::<1, V, FUSED>(i, j);
            i += 1;
        }
    }

    #[inline(always)]
    fn block<const M: usize, const V: usize, const FUSED: bool>(&mut self, i: usize, j: usize) {
        let depth = self.depth;
        let rows: [&[f64]; M] = std::array::from_fn(|r| &self.a[(i + r) * self.a_stride..][..depth]);
        let mut sums = [[[0.0; LANES]; V]; M];
        for k in 0..depth {
            let b = vectors(&self.b[k * self.b_stride + j..][..V * LANES]);
            let b: [Vector; V] = std::array::from_fn(|v| b[v]);
            for r in 0..M {
                for v in 0..V {
                    sums[r][v] = multiply_add::<FUSED>([rows[r][k]; LANES], b[v], sums[r][v]);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let target: &mut [Vector] = self.c[(i + r) * self.c_stride + j..][..V * LANES].as_chunks_mut().0;
            for (t, s) in target.iter_mut().zip(sums) {
                *t = std::array::from_fn(|l| if self.accumulate { t[l] + s[l] } else { s[l] });
            }
        }
    }
}

/// What bounds one value from both sides, element by element: see [`Pass`].
#[derive(Clone, Copy)]
pub struct Lines<'a> {
    /// Slope for positive coefficients.
    pub upper_slope: &'a [f64],
    /// Slope for negative coefficients.
    pub lower_slope: &'a [f64],
    /// Constant per unit of positive coefficient.
    pub upper_constant: &'a [f64],
    /// Constant per unit of negative coefficient (multiplied by the coefficient as it is).
    pub lower_constant: &'a [f64],
    /// Error per unit of absolute coefficient.
    pub error: &'a [f64],
}

/// Takes rows of coefficients through lines, in place: `c -> c t`; adds `sum c p` to the row's constant and `sum |c| e`
/// to its error.
pub struct Pass<'a> {
    /// Rows of `width` coefficients, a multiple of [`LANES`].
    pub coefficients: &'a mut [f64],
    /// Coefficients per row.
    pub width: usize,
    /// The lines, `width` of them.
    pub lines: Lines<'a>,
    /// One per row.
    pub constants: &'a mut [Vector],
    /// One per row.
    pub errors: &'a mut [Vector],
}

impl Kernel for Pass<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let n = self.width / LANES;
        let (us, ls) = (&vectors(self.lines.upper_slope)[..n], &vectors(self.lines.lower_slope)[..n]);
        let (uc, lc) = (&vectors(self.lines.upper_constant)[..n], &vectors(self.lines.lower_constant)[..n]);
        let er = &vectors(self.lines.error)[..n];
        let rows = self.coefficients.chunks_exact_mut(self.width.max(1));
        for ((row, k), e) in rows.zip(self.constants).zip(self.errors) {
            let row: &mut [Vector] = &mut row.as_chunks_mut().0[..n];
            let (mut constant, mut wrong) = (*k, *e);
            for i in 0..n {
                let x = row[i];
                let (above, below) = parts(x);
                constant = multiply_add::<FUSED>(below, lc[i], multiply_add::<FUSED>(above, uc[i], constant));
                wrong = multiply_add::<FUSED>(absolute(x), er[i], wrong);
                // One of the products is zero, so this rounds once.
                row[i] = multiply_add::<FUSED>(above, us[i], multiply_add::<FUSED>(below, ls[i], [0.0; LANES]));
            }
            (*k, *e) = (constant, wrong);
        }
    }
}

/// The sum of the lanes.
pub fn total(lanes: &Vector) -> f64 {
    lanes.iter().sum()
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

/// Upper ends of `n` affine functions over a box and their sums of absolute terms: `value[j] = k[j] + sum_d max(a[d][j] low_d,
/// a[d][j] high_d)`, `size[j] = |k[j]| + sum_d |a[d][j]| max(|low_d|, |high_d|)`. Row `d` of `a` starts at `d n`, the
/// constants are row `dims`; `n` is a multiple of [`LANES`]. With `lower`, lower ends.
pub struct Concretise<'a> {
    /// Coefficients and constants.
    pub lines: &'a [f64],
    /// Lower corner of the box.
    pub low: &'a [f64],
    /// Upper corner.
    pub high: &'a [f64],
    /// Lower ends instead of upper ones.
    pub lower: bool,
    /// The ends.
    pub value: &'a mut [f64],
    /// Sums of absolute terms.
    pub size: &'a mut [f64],
}

impl Kernel for Concretise<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (n, dims) = (self.value.len(), self.low.len());
        let rows = vectors(&self.lines[..(dims + 1) * n]);
        let (value, size): (&mut [Vector], &mut [Vector]) = (self.value.as_chunks_mut().0, self.size.as_chunks_mut().0);
        for (j, (value, size)) in value.iter_mut().zip(size).enumerate() {
            let constant = rows[dims * (n / LANES) + j];
            let (mut v, mut m) = (constant, absolute(constant));
            for (d, (&low, &high)) in self.low.iter().zip(self.high).enumerate() {
                let x = rows[d * (n / LANES) + j];
                let (p, q) = if self.lower { (low, high) } else { (high, low) };
                let (above, below) = parts(x);
                v = multiply_add::<FUSED>(below, [q; LANES], multiply_add::<FUSED>(above, [p; LANES], v));
                m = multiply_add::<FUSED>(absolute(x), [low.abs().max(high.abs()); LANES], m);
            }
            (*value, *size) = (v, m);
        }
    }
}
