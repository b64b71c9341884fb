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

#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
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
            let vectors = ((self.columns - j) / LANES).min(4);
            match vectors {
                1 => self.column_block::<1, FUSED>(j),
                2 => self.column_block::<2, FUSED>(j),
                3 => self.column_block::<3, FUSED>(j),
                _ => self.column_block::<4, FUSED>(j),
            }
            j += vectors * LANES;
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn column_block<const V: usize, const FUSED: bool>(&mut self, j: usize) {
        let mut i = 0;
        while i < self.rows {
            let step = (self.rows - i).min(4);
            match step {
                1 => self.block::<1, V, FUSED>(i, j),
                2 => self.block::<2, V, FUSED>(i, j),
                3 => self.block::<3, V, FUSED>(i, j),
                _ => self.block::<4, V, FUSED>(i, j),
            }
            i += step;
        }
    }

    #[inline(always)]
    fn block<const M: usize, const V: usize, const FUSED: bool>(&mut self, i: usize, j: usize) {
        let depth = self.depth;
        let rows: [&[f64]; M] = std::array::from_fn(|r| &self.a[(i + r) * self.a_stride..][..depth]);
        let mut sums = [[[0.0f64; LANES]; V]; M];
        if self.accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                let source = self.c[(i + r) * self.c_stride + j..][..V * LANES].as_chunks::<LANES>().0;
                sums.copy_from_slice(source);
            }
        }
        for k in 0..depth {
            let b = self.b[k * self.b_stride + j..][..V * LANES].as_chunks::<LANES>().0;
            for r in 0..M {
                let x = rows[r][k];
                for v in 0..V {
                    for l in 0..LANES {
                        sums[r][v][l] = multiply_add::<FUSED>(x, b[v][l], sums[r][v][l]);
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let target = self.c[(i + r) * self.c_stride + j..][..V * LANES].as_chunks_mut::<LANES>().0;
            target.copy_from_slice(sums);
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
    pub constants: &'a mut [f64],
    /// One per row.
    pub errors: &'a mut [f64],
}

impl Kernel for Pass<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let vectors = |x: &'_ [f64]| -> usize { x[..self.width].len() / LANES };
        let n = vectors(self.lines.upper_slope);
        let us = &self.lines.upper_slope.as_chunks::<LANES>().0[..n];
        let ls = &self.lines.lower_slope.as_chunks::<LANES>().0[..n];
        let uc = &self.lines.upper_constant.as_chunks::<LANES>().0[..n];
        let lc = &self.lines.lower_constant.as_chunks::<LANES>().0[..n];
        let er = &self.lines.error.as_chunks::<LANES>().0[..n];
        let rows = self.coefficients.chunks_exact_mut(self.width.max(1));
        for ((row, k), e) in rows.zip(self.constants.iter_mut()).zip(self.errors.iter_mut()) {
            let row = &mut row.as_chunks_mut::<LANES>().0[..n];
            let (mut constant, mut wrong) = ([0.0f64; LANES], [0.0f64; LANES]);
            for i in 0..n {
                for v in 0..LANES {
                    let x = row[i][v];
                    let t = if x > 0.0 { us[i][v] } else { ls[i][v] };
                    let p = if x > 0.0 { uc[i][v] } else { lc[i][v] };
                    constant[v] = multiply_add::<FUSED>(x, p, constant[v]);
                    wrong[v] = multiply_add::<FUSED>(x.abs(), er[i][v], wrong[v]);
                    row[i][v] = x * t;
                }
            }
            *k += total(constant);
            *e += total(wrong);
        }
    }
}

#[inline(always)]
fn total(mut lanes: [f64; LANES]) -> f64 {
    for half in [4, 2, 1] {
        for v in 0..half {
            lanes[v] += lanes[v + half];
        }
    }
    lanes[0]
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
    pub out: &'a mut [f64],
}

impl Kernel for AbsoluteProducts<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let m = self.factors[..self.width].as_chunks::<LANES>().0;
        for (row, o) in self.weights.chunks_exact(self.width.max(1)).zip(self.out) {
            let mut sums = [0.0; LANES];
            for (w, m) in row.as_chunks::<LANES>().0.iter().zip(m) {
                for v in 0..LANES {
                    sums[v] = multiply_add::<FUSED>(w[v].abs(), m[v], sums[v]);
                }
            }
            *o += total(sums);
        }
    }
}

/// Upper ends of `n` affine functions over a box and their sums of absolute terms: `value[j] = k[j] + sum_d max(a[d][j] low_d,
/// a[d][j] high_d)`, `size[j] = |k[j]| + sum_d |a[d][j]| max(|low_d|, |high_d|)`. Row `d` of `a` starts at `d n`, the
/// constants are row `dims`. With `lower`, lower ends.
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
        let size = &mut self.size[..n];
        let constants = &self.lines[dims * n..][..n];
        for j in 0..n {
            self.value[j] = constants[j];
            size[j] = constants[j].abs();
        }
        for d in 0..dims {
            let (low, high) = (self.low[d], self.high[d]);
            let (p, q) = if self.lower { (low, high) } else { (high, low) };
            let reach = low.abs().max(high.abs());
            let row = &self.lines[d * n..][..n];
            for j in 0..n {
                let x = row[j];
                self.value[j] = multiply_add::<FUSED>(x, if x > 0.0 { p } else { q }, self.value[j]);
                size[j] = multiply_add::<FUSED>(x.abs(), reach, size[j]);
            }
        }
    }
}
