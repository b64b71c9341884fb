//! Element-wise passes over rows of coefficients, compiled for each vector unit.

use super::{LANES, Real};

/// Compiles a plain loop for AVX-512, AVX2 and the baseline, and picks one at run time.
macro_rules! multiversion {
    ($(#[$doc:meta])* pub fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        pub fn $name<F: Real>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body<F: Real>($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,fma")]
                #[allow(clippy::too_many_arguments)]
                fn wide<F: Real>($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn medium<F: Real>($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }
                if std::arch::is_x86_feature_detected!("avx512vl") && std::arch::is_x86_feature_detected!("avx512dq")
                    && std::arch::is_x86_feature_detected!("avx512bw") {
                    // SAFETY: the features have just been detected; the body is safe code.
                    return unsafe { wide($($arg),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: as above.
                    return unsafe { medium($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}

/// One relaxation line per neuron and sign of the coefficient.
#[derive(Clone, Copy)]
pub struct Lines<'a, F> {
    /// Slope for positive coefficients.
    pub upper_slope: &'a [F],
    /// Slope for negative coefficients.
    pub lower_slope: &'a [F],
    /// Constant per unit of positive coefficient.
    pub upper_constant: &'a [F],
    /// Constant per unit of negative coefficient (multiplied by the coefficient as it is).
    pub lower_constant: &'a [F],
    /// Error per unit of absolute coefficient.
    pub error: &'a [F],
}

multiversion! {
    /// Turns coefficients on hinge values into coefficients on pre-activations, in place, for `rows` rows of `width`:
    /// `c -> c t`, and adds `sum c p` to `constants[r]` and `sum |c| e` to `errors[r]`.
    ///
    /// Sums are accumulated in [`LANES`] lanes over at most [`BLOCK`] terms, pairwise, and blocks in `f64`:
    /// at most [`BLOCK_ROUNDINGS`] roundings in `F` per term, the product included.
    pub fn relax_rows(c: &mut [F], width: usize, rows: usize, lines: Lines<F>, constants: &mut [f64], errors: &mut [f64]) {
        let Lines { upper_slope, lower_slope, upper_constant, lower_constant, error } = lines;
        let (us, ls, uc, lc, er) = (&upper_slope[..width], &lower_slope[..width], &upper_constant[..width], &lower_constant[..width], &error[..width]);
        for r in 0..rows {
            let row = &mut c[r * width..(r + 1) * width];
            let (mut total, mut total_wrong) = (0.0, 0.0);
            let mut start = 0;
            while start < width {
                let (mut constant, mut wrong) = ([F::ZERO; LANES], [F::ZERO; LANES]);
                let end = width.min(start + BLOCK);
                let mut at = start;
                while at + LANES <= end {
                    let x: &mut [F; LANES] = (&mut row[at..at + LANES]).try_into().expect("whole vectors");
                    for v in 0..LANES {
                        let i = at + v;
                        let up = x[v] > F::ZERO;
                        let (t, p) = (if up { us[i] } else { ls[i] }, if up { uc[i] } else { lc[i] });
                        constant[v] += x[v] * p;
                        wrong[v] += x[v].abs() * er[i];
                        x[v] = x[v] * t;
                    }
                    at += LANES;
                }
                for i in at..end {
                    let up = row[i] > F::ZERO;
                    let (t, p) = (if up { us[i] } else { ls[i] }, if up { uc[i] } else { lc[i] });
                    constant[i - at] += row[i] * p;
                    wrong[i - at] += row[i].abs() * er[i];
                    row[i] = row[i] * t;
                }
                total += pairwise(constant).to_f64();
                total_wrong += pairwise(wrong).to_f64();
                start = end;
            }
            constants[r] += total;
            errors[r] += total_wrong;
        }
    }
}

/// Terms per block of [`relax_rows`].
pub const BLOCK: usize = 512;
/// Roundings that a term of [`relax_rows`] meets in the working type.
pub const BLOCK_ROUNDINGS: usize = BLOCK / LANES + 6;

/// The sum of the lanes, pairwise.
#[inline(always)]
pub fn pairwise<F: Real>(mut lanes: [F; LANES]) -> F {
    let mut half = LANES / 2;
    while half > 0 {
        for v in 0..half {
            let other = lanes[v + half];
            lanes[v] += other;
        }
        half /= 2;
    }
    lanes[0]
}

multiversion! {
    /// `out[i] = sum_j |w[i][j]| m[j]` for rows of `width` (a multiple of [`LANES`]): magnitudes of weighted sums.
    /// At most `width / LANES + 5` roundings per term.
    pub fn absolute_products(w: &[F], width: usize, m: &[F], out: &mut [F]) {
        let m = &m[..width];
        for (i, o) in out.iter_mut().enumerate() {
            let row = &w[i * width..(i + 1) * width];
            let mut sums = [F::ZERO; LANES];
            let mut at = 0;
            while at < width {
                for v in 0..LANES {
                    sums[v] += row[at + v].abs() * m[at + v];
                }
                at += LANES;
            }
            *o = pairwise(sums);
        }
    }
}

multiversion! {
    /// Upper ends of `n` affine forms over a box, and the sums of absolute terms: `value[j] = k[j] + sum_d max(a[d][j] low_d, a[d][j] high_d)`,
    /// `magnitude[j] = |k[j]| + sum_d |a[d][j]| max(|low_d|, |high_d|)`. Row `d` of `a` starts at `d * n`; the constants are row `dims`.
    /// At most `dims + 1` roundings per term. With `negate`, lower ends of the forms (as is, not negated).
    pub fn concretise(a: &[F], n: usize, low: &[F], high: &[F], negate: bool, value: &mut [F], magnitude: &mut [F]) {
        let dims = low.len();
        let k = &a[dims * n..(dims + 1) * n];
        let (value, magnitude) = (&mut value[..n], &mut magnitude[..n]);
        for j in 0..n {
            value[j] = k[j];
            magnitude[j] = k[j].abs();
        }
        for d in 0..dims {
            let row = &a[d * n..(d + 1) * n];
            let (p, q) = if negate { (low[d], high[d]) } else { (high[d], low[d]) };
            let m = low[d].abs().max(high[d].abs());
            for j in 0..n {
                value[j] += row[j] * if row[j] > F::ZERO { p } else { q };
                magnitude[j] += row[j].abs() * m;
            }
        }
    }
}

multiversion! {
    /// `sum_j |c[j]| e[j]` for nonnegative `e`, blocks in `f64`: at most [`BLOCK_ROUNDINGS`] roundings in `F` per term.
    pub fn absolute_dot(c: &[F], e: &[F]) -> f64 {
        let n = c.len().min(e.len());
        let mut total = 0.0;
        let mut start = 0;
        while start < n {
            let end = n.min(start + BLOCK);
            let mut sums = [F::ZERO; LANES];
            let mut at = start;
            while at + LANES <= end {
                for v in 0..LANES {
                    sums[v] += c[at + v].abs() * e[at + v];
                }
                at += LANES;
            }
            for i in at..end {
                sums[i - at] += c[i].abs() * e[i];
            }
            total += pairwise(sums).to_f64();
            start = end;
        }
        total
    }
}
