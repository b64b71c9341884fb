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
        let us = lines.upper_slope[..width].as_chunks::<LANES>();
        let ls = lines.lower_slope[..width].as_chunks::<LANES>();
        let uc = lines.upper_constant[..width].as_chunks::<LANES>();
        let lc = lines.lower_constant[..width].as_chunks::<LANES>();
        let er = lines.error[..width].as_chunks::<LANES>();
        let vectors = width / LANES;
        for r in 0..rows {
            let (row, rest) = c[r * width..(r + 1) * width].as_chunks_mut::<LANES>();
            let (mut total, mut total_wrong) = (0.0, 0.0);
            let mut start = 0;
            while start < vectors {
                let (mut constant, mut wrong) = ([F::ZERO; LANES], [F::ZERO; LANES]);
                let end = vectors.min(start + BLOCK / LANES);
                for i in start..end {
                    let (x, us, ls, uc, lc, er) = (&mut row[i], &us.0[i], &ls.0[i], &uc.0[i], &lc.0[i], &er.0[i]);
                    for v in 0..LANES {
                        let up = x[v] > F::ZERO;
                        let t = if up { us[v] } else { ls[v] };
                        let p = if up { uc[v] } else { lc[v] };
                        constant[v] += x[v] * p;
                        wrong[v] += x[v].abs() * er[v];
                        x[v] = x[v] * t;
                    }
                }
                total += pairwise(constant).to_f64();
                total_wrong += pairwise(wrong).to_f64();
                start = end;
            }
            for (i, x) in rest.iter_mut().enumerate() {
                let up = *x > F::ZERO;
                let p = if up { uc.1[i] } else { lc.1[i] };
                total += (*x * p).to_f64();
                total_wrong += (x.abs() * er.1[i]).to_f64();
                *x = *x * if up { us.1[i] } else { ls.1[i] };
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
        let m = m[..width].as_chunks::<LANES>().0;
        for (i, o) in out.iter_mut().enumerate() {
            let row = w[i * width..(i + 1) * width].as_chunks::<LANES>().0;
            let mut sums = [F::ZERO; LANES];
            for (w, m) in row.iter().zip(m) {
                for v in 0..LANES {
                    sums[v] += w[v].abs() * m[v];
                }
            }
            *o = pairwise(sums);
        }
    }
}

multiversion! {
    /// `out[i] += sum_j c[j] m[j][i]` for rows `m[j]` of `stride`, a multiple of [`LANES`] and at least `out.len()`: one vector
    /// times a matrix. Zeros in `c`, as many hinges give, cost nothing.
    pub fn add_rows(c: &[F], m: &[F], stride: usize, out: &mut [F]) {
        #[inline(always)]
        fn block<F: Real, const WIDE: usize>(c: &[F], m: &[F], stride: usize, start: usize, out: &mut [F]) {
            let mut sums = [F::ZERO; WIDE];
            for (j, &c) in c.iter().enumerate().filter(|(_, c)| **c != F::ZERO) {
                let row: &[F; WIDE] = m[j * stride + start..][..WIDE].try_into().expect("of this length");
                for v in 0..WIDE {
                    sums[v] += c * row[v];
                }
            }
            out[start..].iter_mut().zip(sums).for_each(|(o, s)| *o += s);
        }
        let mut start = 0;
        while start < out.len() {
            if start + 4 * LANES <= stride {
                block::<F, { 4 * LANES }>(c, m, stride, start, out);
                start += 4 * LANES;
            } else {
                block::<F, LANES>(c, m, stride, start, out);
                start += LANES;
            }
        }
    }
}

multiversion! {
    /// Upper ends of `n` affine forms over a box, and the sums of absolute terms: `value[j] = k[j] + sum_d max(a[d][j] low_d, a[d][j] high_d)`,
    /// `magnitude[j] = |k[j]| + sum_d |a[d][j]| max(|low_d|, |high_d|)`. Row `d` of `a` starts at `d * n`; the constants are row `dims`.
    /// At most `dims + 1` roundings per term. With `negate`, lower ends of the forms (as is, not negated).
    pub fn concretise(a: &[F], n: usize, low: &[F], high: &[F], negate: bool, value: &mut [F], magnitude: &mut [F]) {
        let dims = low.len();
        let (value, magnitude) = (&mut value[..n], &mut magnitude[..n]);
        for ((v, m), &k) in value.iter_mut().zip(magnitude.iter_mut()).zip(&a[dims * n..(dims + 1) * n]) {
            *v = k;
            *m = k.abs();
        }
        for d in 0..dims {
            let (p, q) = if negate { (low[d], high[d]) } else { (high[d], low[d]) };
            let size = low[d].abs().max(high[d].abs());
            for ((v, m), &x) in value.iter_mut().zip(magnitude.iter_mut()).zip(&a[d * n..(d + 1) * n]) {
                *v += x * if x > F::ZERO { p } else { q };
                *m += x.abs() * size;
            }
        }
    }
}

multiversion! {
    /// Intersects upper ends with `value + relative * magnitude + absolute[j]` (lower ends, from below, if `lower`).
    ///
    /// `relative` must leave room for the rounding of this very sum: two units roundoff. NaN improves nothing.
    pub fn meet_ends(ends: &mut [F], value: &[F], magnitude: &[F], relative: F, absolute: &[F], lower: bool) {
        for (((e, &v), &m), &a) in ends.iter_mut().zip(value).zip(magnitude).zip(absolute) {
            let reach = relative * m + a;
            if lower {
                let x = v - reach;
                *e = if x > *e { x } else { *e };
            } else {
                let x = v + reach;
                *e = if x < *e { x } else { *e };
            }
        }
    }
}

multiversion! {
    /// `sum_j |c[j]| e[j]` for nonnegative `e`, blocks in `f64`: at most [`BLOCK_ROUNDINGS`] roundings in `F` per term.
    pub fn absolute_dot(c: &[F], e: &[F]) -> f64 {
        let n = c.len().min(e.len());
        let mut total = 0.0;
        for (c, e) in c[..n].chunks(BLOCK).zip(e[..n].chunks(BLOCK)) {
            let ((c, c_rest), (e, e_rest)) = (c.as_chunks::<LANES>(), e.as_chunks::<LANES>());
            let mut sums = [F::ZERO; LANES];
            for (c, e) in c.iter().zip(e) {
                for v in 0..LANES {
                    sums[v] += c[v].abs() * e[v];
                }
            }
            total += pairwise(sums).to_f64();
            total += c_rest.iter().zip(e_rest).map(|(c, &e)| (c.abs() * e).to_f64()).sum::<f64>();
        }
        total
    }
}

multiversion! {
    /// `sum v m` and `sum |v m|`, both in `f64`.
    pub fn weighted_sums(v: &[F], m: &[F]) -> (f64, f64) {
        let n = v.len().min(m.len());
        let ((v, v_rest), (m, m_rest)) = (v[..n].as_chunks::<LANES>(), m[..n].as_chunks::<LANES>());
        let mut sums = [0.0f64; LANES];
        let mut sizes = [0.0f64; LANES];
        for (v, m) in v.iter().zip(m) {
            let mut terms = [0.0f64; LANES];
            for l in 0..LANES {
                terms[l] = v[l].to_f64() * m[l].to_f64();
            }
            for l in 0..LANES {
                sums[l] += terms[l];
            }
            for l in 0..LANES {
                sizes[l] += terms[l].abs();
            }
        }
        let (mut sum, mut size) = (pairwise(sums), pairwise(sizes));
        for (v, m) in v_rest.iter().zip(m_rest) {
            let term = v.to_f64() * m.to_f64();
            sum += term;
            size += term.abs();
        }
        (sum, size)
    }
}

multiversion! {
    /// How much `sum_j w_j gap_j` drops over the two halves of an input, for neurons on `[l_j, u_j]` whose lower and upper
    /// lines have slopes `a_j` and `b_j` in that input, of half-width `half`; the gap of `[l, u]` is `-l u / (u - l)`.
    pub fn gap_drop(w: &[F], l: &[F], u: &[F], a: &[F], b: &[F], half: F) -> F {
        #[inline(always)]
        fn gap<F: Real>(l: F, u: F) -> F {
            let (l, u) = (F::ZERO.min(l), F::ZERO.max(u));
            -l * u / (u - l + F::from_f64(F::TINY))
        }
        let n = w.len();
        let (l, u, a, b) = (&l[..n], &u[..n], &a[..n], &b[..n]);
        let mut sums = [F::ZERO; LANES];
        let mut start = 0;
        while start < n {
            let end = n.min(start + LANES);
            let mut lanes = [[F::ZERO; LANES]; 5];
            for (lane, source) in lanes.iter_mut().zip([w, l, u, a, b]) {
                lane[..end - start].copy_from_slice(&source[start..end]);
            }
            let [w, l, u, a, b] = &lanes;
            for v in 0..LANES {
                let (rise, fall) = (a[v] * half, b[v] * half);
                let whole = gap(l[v], u[v]);
                let left = gap(l[v] + F::ZERO.max(-rise), u[v] - F::ZERO.max(fall));
                let right = gap(l[v] + F::ZERO.max(rise), u[v] - F::ZERO.max(-fall));
                sums[v] += w[v] * (whole + whole - left - right);
            }
            start = end;
        }
        pairwise(sums)
    }
}
