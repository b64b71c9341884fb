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

/// The elements that are not zero, with their places; zeros are passed over by whole vectors.
pub fn nonzero(row: &[f64]) -> impl Iterator<Item = (usize, f64)> {
    // All bits but the sign's.
    let any = |x: &[f64]| x.iter().fold(0, |bits, x| bits | x.to_bits() << 1) != 0;
    let found = move |(k, x): (usize, &[f64])| if any(x) { k * LANES..k * LANES + x.len() } else { 0..0 };
    row.chunks(LANES).enumerate().flat_map(found).map(|i| (i, row[i])).filter(|x| x.1 != 0.0)
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

#[inline(always)]
fn negated(a: Vector) -> Vector {
    std::array::from_fn(|l| -a[l])
}

#[inline(always)]
fn sum(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|l| a[l] + b[l])
}

#[inline(always)]
fn product(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|l| a[l] * b[l])
}

/// The greater one; leaves out NaN.
#[inline(always)]
fn max(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|l| a[l].max(b[l]))
}

/// The lesser one; leaves out NaN.
#[inline(always)]
fn min(a: Vector, b: Vector) -> Vector {
    std::array::from_fn(|l| a[l].min(b[l]))
}

/// 1 where `x < 0`, else 0 (also for -0 less 0).
#[inline(always)]
fn is_negative(x: Vector) -> Vector {
    std::array::from_fn(|l| 0.5 - (0.5f64).copysign(x[l]))
}

/// The positive and the negative part; both 0 for NaN.
#[inline(always)]
fn parts(x: Vector) -> (Vector, Vector) {
    (std::array::from_fn(|l| x[l].max(0.0)), std::array::from_fn(|l| x[l].min(0.0)))
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
    /// Error per unit of absolute coefficient: at least the sum of the two below.
    pub error: &'a [f64],
    /// The part of it that the coefficient itself pays, whatever its slope.
    pub own_error: &'a [f64],
    /// The part per unit of the absolute coefficient that is passed on, which is no larger.
    pub passed_error: &'a [f64],
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
    fn run<const FUSED: bool>(mut self) {
        // Several rows at once: each one's sums wait for their own last step only.
        let (rows, mut r) = (self.constants.len(), 0);
        while r + 4 <= rows {
            self.rows::<4, FUSED>(r);
            r += 4;
        }
        while r < rows {
            self.rows::<1, FUSED>(r);
            r += 1;
        }
    }
}

impl Pass<'_> {
    #[inline(always)]
    fn rows<const M: usize, const FUSED: bool>(&mut self, first: usize) {
        let n = self.width / LANES;
        let (us, ls) = (&vectors(self.lines.upper_slope)[..n], &vectors(self.lines.lower_slope)[..n]);
        let (uc, lc) = (&vectors(self.lines.upper_constant)[..n], &vectors(self.lines.lower_constant)[..n]);
        let er = &vectors(self.lines.error)[..n];
        let rows: &mut [Vector] = self.coefficients[first * self.width..][..M * self.width].as_chunks_mut().0;
        let (mut constants, mut errors) = ([[0.0; LANES]; M], [[0.0; LANES]; M]);
        for i in 0..n {
            for r in 0..M {
                let x = rows[r * n + i];
                let (above, below) = parts(x);
                constants[r] = multiply_add::<FUSED>(below, lc[i], multiply_add::<FUSED>(above, uc[i], constants[r]));
                errors[r] = multiply_add::<FUSED>(absolute(x), er[i], errors[r]);
                // One of the products is zero, so this rounds once.
                rows[r * n + i] = multiply_add::<FUSED>(above, us[i], product(below, ls[i]));
            }
        }
        for r in 0..M {
            self.constants[first + r] = sum(self.constants[first + r], constants[r]);
            self.errors[first + r] = sum(self.errors[first + r], errors[r]);
        }
    }
}

/// As [`Pass`], but every row has its own slopes for negative coefficients, and what they mean for the operand's constants. Of the
/// error each coefficient pays its own part, and what it passes on the other one: slopes are often 0.
pub struct PassFreely<'a> {
    /// Rows of `width` coefficients, a multiple of [`LANES`].
    pub coefficients: &'a mut [f64],
    /// Coefficients per row.
    pub width: usize,
    /// The lines; those below are not used.
    pub lines: Lines<'a>,
    /// Slopes for negative coefficients, row by row.
    pub slopes: &'a [f64],
    /// Constants of the operand.
    pub bias: &'a [f64],
    /// One per row.
    pub constants: &'a mut [Vector],
    /// One per row.
    pub errors: &'a mut [Vector],
}

impl Kernel for PassFreely<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let n = self.width / LANES;
        let (us, uc) = (&vectors(self.lines.upper_slope)[..n], &vectors(self.lines.upper_constant)[..n]);
        let (er, pe) = (&vectors(self.lines.own_error)[..n], &vectors(self.lines.passed_error)[..n]);
        let bias = &vectors(self.bias)[..n];
        let rows = self.coefficients.chunks_exact_mut(self.width.max(1));
        let slopes = self.slopes.chunks_exact(self.width.max(1));
        for (((row, slopes), k), e) in rows.zip(slopes).zip(self.constants).zip(self.errors) {
            let row: &mut [Vector] = &mut row.as_chunks_mut().0[..n];
            let slopes = &vectors(slopes)[..n];
            let (mut constant, mut wrong) = (*k, *e);
            for i in 0..n {
                let x = row[i];
                let (above, below) = parts(x);
                let falling = product(below, slopes[i]);
                constant = multiply_add::<FUSED>(falling, bias[i], multiply_add::<FUSED>(above, uc[i], constant));
                // One of the products is zero, so this rounds once.
                let passed = multiply_add::<FUSED>(above, us[i], falling);
                wrong = multiply_add::<FUSED>(absolute(x), er[i], multiply_add::<FUSED>(absolute(passed), pe[i], wrong));
                row[i] = passed;
            }
            (*k, *e) = (constant, wrong);
        }
    }
}

/// The sum of the lanes.
pub fn total(lanes: &Vector) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
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

/// Meets the intervals of `n` elements (a multiple of [`LANES`]) with what their lines say over a box. Coefficient of input `d` of
/// line `j` at `d n + j`, constants last. Each end is widened by `relative` times the sum of absolute terms, and `absolute`.
pub struct Concretise<'a> {
    /// Lower lines.
    pub lower: &'a [f64],
    /// Upper lines.
    pub upper: &'a [f64],
    /// Lower corner of the box.
    pub low: &'a [f64],
    /// Upper corner.
    pub high: &'a [f64],
    /// Relative widening.
    pub relative: f64,
    /// Absolute widening.
    pub absolute: f64,
    /// Lower ends.
    pub below: &'a mut [f64],
    /// Upper ends.
    pub above: &'a mut [f64],
    /// The least width of an interval, per lane; negative if one is empty.
    pub least: &'a mut Vector,
}

impl Kernel for Concretise<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (count, dims) = (self.below.len() / LANES, self.low.len());
        let (lower, upper) = (&vectors(self.lower)[..(dims + 1) * count], &vectors(self.upper)[..(dims + 1) * count]);
        let (below, above): (&mut [Vector], &mut [Vector]) = (self.below.as_chunks_mut().0, self.above.as_chunks_mut().0);
        let mut least = [f64::INFINITY; LANES];
        for j in 0..count {
            let (mut bottom, mut top) = (lower[dims * count + j], upper[dims * count + j]);
            let (mut bottom_size, mut top_size) = (absolute(bottom), absolute(top));
            for d in 0..dims {
                let (low, high) = ([self.low[d]; LANES], [self.high[d]; LANES]);
                let size = [self.low[d].abs().max(self.high[d].abs()); LANES];
                let (rising, falling) = parts(lower[d * count + j]);
                bottom = multiply_add::<FUSED>(rising, low, multiply_add::<FUSED>(falling, high, bottom));
                bottom_size = multiply_add::<FUSED>(absolute(lower[d * count + j]), size, bottom_size);
                let (rising, falling) = parts(upper[d * count + j]);
                top = multiply_add::<FUSED>(rising, high, multiply_add::<FUSED>(falling, low, top));
                top_size = multiply_add::<FUSED>(absolute(upper[d * count + j]), size, top_size);
            }
            // `max` and `min` leave out NaN, which improves nothing.
            let (relative, constant) = ([self.relative; LANES], [self.absolute; LANES]);
            let bottom_reach = multiply_add::<FUSED>(relative, bottom_size, constant);
            let top_reach = multiply_add::<FUSED>(relative, top_size, constant);
            let (lower_end, upper_end) = (max(below[j], sum(bottom, negated(bottom_reach))), min(above[j], sum(top, top_reach)));
            least = min(least, sum(upper_end, negated(lower_end)));
            (below[j], above[j]) = (lower_end, upper_end);
        }
        *self.least = least;
    }
}

/// The lines of hinges `max(a, s a)` on `[low, high]` and their errors; [`crate::relax`] says why they hold. All slices are equally
/// long, whole vectors.
pub struct Hinges<'a> {
    /// Lower ends.
    pub low: &'a [f64],
    /// Upper ends.
    pub high: &'a [f64],
    /// Constants of the operand.
    pub bias: &'a [f64],
    /// Sizes that `costs[2]` multiplies.
    pub magnitude: &'a [f64],
    /// The slope `s` below 0.
    pub slope: f64,
    /// Error per unit of the operand's size, of constants, of magnitude; relative and absolute error of the hinge's own product.
    pub costs: [f64; 5],
    /// Added to each error.
    pub tiny: f64,
    /// Factor of all errors and sizes.
    pub slack: f64,
    /// Slopes, constants and errors, as in [`Lines`].
    pub lines: [&'a mut [f64]; 7],
    /// Sizes of the hinges.
    pub value: &'a mut [f64],
    /// The sum of the operands' sizes, per lane.
    pub sizes: &'a mut Vector,
}

impl Kernel for Hinges<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let (zero, one, s) = ([0.0; LANES], [1.0; LANES], [self.slope; LANES]);
        let [of_size, of_constants, of_magnitude, of_product, of_product_tiny] = self.costs;
        let n = self.low.len() / LANES;
        let (low, high) = (&vectors(self.low)[..n], &vectors(self.high)[..n]);
        let (bias, magnitude) = (&vectors(self.bias)[..n], &vectors(self.magnitude)[..n]);
        let [us, ls, uc, lc, er, oe, pe] = self.lines;
        let (us, ls): (&mut [Vector], &mut [Vector]) = (us.as_chunks_mut().0, ls.as_chunks_mut().0);
        let (uc, lc): (&mut [Vector], &mut [Vector]) = (uc.as_chunks_mut().0, lc.as_chunks_mut().0);
        let (er, oe): (&mut [Vector], &mut [Vector]) = (er.as_chunks_mut().0, oe.as_chunks_mut().0);
        let (pe, value): (&mut [Vector], &mut [Vector]) = (pe.as_chunks_mut().0, self.value.as_chunks_mut().0);
        let (us, ls, uc, lc) = (&mut us[..n], &mut ls[..n], &mut uc[..n], &mut lc[..n]);
        let (er, oe, pe, value) = (&mut er[..n], &mut oe[..n], &mut pe[..n], &mut value[..n]);
        let mut sizes = zero;
        for i in 0..n {
            let (l, u) = (min(low[i], zero), max(high[i], zero));
            let width = max(sum(u, negated(l)), [f64::MIN_POSITIVE; LANES]);
            let rise = sum(u, negated(product(s, l)));
            let chord: Vector = std::array::from_fn(|k| rise[k] / width[k]);
            let t = min(max(chord, s), one);
            let (right, left) = (sum(u, negated(product(t, u))), sum(product(s, l), negated(product(t, l))));
            // Not a number where an end is infinite, else the greater one.
            let offset = sum(max(max(right, left), zero), product(zero, sum(right, left)));
            let steep = is_negative(sum(negated(l), negated(u)));
            let alive = if self.slope == 0.0 { is_negative(sum(zero, negated(high[i]))) } else { one };
            let size = max(absolute(low[i]), absolute(high[i]));
            let reach = max(u, product([self.slope.abs(); LANES], negated(l)));
            let own = multiply_add::<FUSED>([of_product; LANES], reach, [of_product_tiny; LANES]);
            let error = multiply_add::<FUSED>([of_size; LANES], size, multiply_add::<FUSED>([of_constants; LANES], offset, own));
            let error = multiply_add::<FUSED>(error, [self.slack; LANES], [self.tiny; LANES]);
            // The operand's constants, its products with weights, and what the deployed network makes of it.
            let passed = product([of_constants; LANES], absolute(bias[i]));
            let passed = product(multiply_add::<FUSED>([of_magnitude; LANES], magnitude[i], passed), [self.slack; LANES]);
            us[i] = t;
            ls[i] = sum(steep, product(sum(one, negated(steep)), s));
            uc[i] = multiply_add::<FUSED>(t, bias[i], offset);
            lc[i] = product(ls[i], bias[i]);
            er[i] = product(alive, product(sum(error, passed), [self.slack; LANES]));
            oe[i] = product(alive, error);
            pe[i] = product(alive, passed);
            value[i] = product(alive, product(sum(reach, own), [self.slack; LANES]));
            sizes = sum(sizes, size);
        }
        *self.sizes = sizes;
    }
}
