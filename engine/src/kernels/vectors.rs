//! Loops over vectors, compiled for each vector unit: stored matrices times single vectors without packing (memory-bound,
//! so the matrix is read once as it is stored), and the passes of slope optimisation.

use super::rows::{BLOCK, Lines, pairwise};
use super::{LANES, Real};

/// Compiles a plain loop for AVX-512, AVX2 and the baseline, and picks one at run time.
macro_rules! multiversion {
    ($(#[$doc:meta])* pub fn $name:ident<$($t:ident),+>($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        pub fn $name<$($t: Real),+>($($arg: $ty),*) {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body<$($t: Real),+>($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,fma")]
                #[allow(clippy::too_many_arguments)]
                fn wide<$($t: Real),+>($($arg: $ty),*) { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn medium<$($t: Real),+>($($arg: $ty),*) { body($($arg),*) }
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
pub(super) use multiversion;

multiversion! {
    /// `y[o] += sum_i w[o][i] x[i]` for a row-major matrix whose rows are as long as `x`; with `|w|` if `absolute`.
    pub fn times_vector<W, F>(w: &[W], x: &[F], y: &mut [F], absolute: bool) {
        let n = x.len();
        let (chunks, rest) = x.as_chunks::<LANES>();
        for (o, y) in y.iter_mut().enumerate() {
            let (weights, weights_rest) = w[o * n..(o + 1) * n].as_chunks::<LANES>();
            let mut sums = [F::ZERO; LANES];
            for (w, x) in weights.iter().zip(chunks) {
                for v in 0..LANES {
                    let w = F::from_f64(w[v].to_f64());
                    sums[v] += if absolute { w.abs() } else { w } * x[v];
                }
            }
            let mut sum = pairwise(sums);
            for (w, &x) in weights_rest.iter().zip(rest) {
                let w = F::from_f64(w.to_f64());
                sum += if absolute { w.abs() } else { w } * x;
            }
            *y += sum;
        }
    }
}

multiversion! {
    /// `x[i] += sum_o w[o][i] y[o]` for a row-major matrix whose rows are as long as `x`; zeros of `y` are skipped.
    pub fn transposed_times_vector<W, F>(w: &[W], y: &[F], x: &mut [F]) {
        let n = x.len();
        for (o, &y) in y.iter().enumerate().filter(|y| *y.1 != F::ZERO) {
            for (x, w) in x.iter_mut().zip(&w[o * n..(o + 1) * n]) {
                *x += F::from_f64(w.to_f64()) * y;
            }
        }
    }
}

multiversion! {
    /// As [`super::rows::relax_rows`], with a lower slope of its own for every row and element: `slopes` is as long as `c`.
    pub fn relax_rows_with<F>(c: &mut [F], slopes: &[F], width: usize, rows: usize, lines: Lines<F>, constants: &mut [f64], errors: &mut [f64]) {
        let us = lines.upper_slope[..width].as_chunks::<LANES>();
        let uc = lines.upper_constant[..width].as_chunks::<LANES>();
        let lc = lines.lower_constant[..width].as_chunks::<LANES>();
        let er = lines.error[..width].as_chunks::<LANES>();
        let vectors = width / LANES;
        for r in 0..rows {
            let (row, rest) = c[r * width..(r + 1) * width].as_chunks_mut::<LANES>();
            let (own, own_rest) = slopes[r * width..(r + 1) * width].as_chunks::<LANES>();
            let (mut total, mut total_wrong) = (0.0, 0.0);
            let mut start = 0;
            while start < vectors {
                let (mut constant, mut wrong) = ([F::ZERO; LANES], [F::ZERO; LANES]);
                let end = vectors.min(start + BLOCK / LANES);
                for i in start..end {
                    let (x, us, ls, uc, lc, er) = (&mut row[i], &us.0[i], &own[i], &uc.0[i], &lc.0[i], &er.0[i]);
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
                total += (*x * if up { uc.1[i] } else { lc.1[i] }).to_f64();
                total_wrong += (x.abs() * er.1[i]).to_f64();
                *x = *x * if up { us.1[i] } else { own_rest[i] };
            }
            constants[r] += total;
            errors[r] += total_wrong;
        }
    }
}

multiversion! {
    /// Turns values of operands into values of a piecewise-linear function's relaxation, in place, and coefficients `c` into
    /// gradients in the lower slopes: `c (z - a)` with `a` a point where the lower offset is attained, 0 for positive `c`.
    ///
    /// The kink is at 0; at the ends `limits` of the slope's range all points of one side attain the offset, and
    /// the one nearest to `z` inside `[low, high]` counts.
    pub fn follow_lines<F>(z: &mut [F], c: &mut [F], slopes: &[F], limits: (&[F], &[F]), ends: (&[F], &[F]), lines: Lines<F>) {
        let n = z.len();
        let (c, slopes, (least, most), (low, high)) = (&mut c[..n], &slopes[..n], (&limits.0[..n], &limits.1[..n]), (&ends.0[..n], &ends.1[..n]));
        let (us, uc, lc) = (&lines.upper_slope[..n], &lines.upper_constant[..n], &lines.lower_constant[..n]);
        for i in 0..n {
            let (x, t) = (z[i], slopes[i]);
            let up = c[i] > F::ZERO;
            let below = if x > F::ZERO { x } else { (x - low[i]).min(F::ZERO) };
            let above = if x < F::ZERO { x } else { (x - high[i]).max(F::ZERO) };
            let reach = if t <= least[i] { below } else if t >= most[i] { above } else { x };
            z[i] = if up { us[i] * x + uc[i] } else { t * x + lc[i] };
            c[i] = if up { F::ZERO } else { c[i] * reach };
        }
    }
}

/// The constants of one step of Adam (Kingma and Ba, ICLR 2015).
#[derive(Clone, Copy, Debug)]
pub struct AdamStep<F> {
    /// Step size over the first bias correction.
    pub rate: F,
    /// One over the second bias correction.
    pub unbias: F,
}

multiversion! {
    /// One step down the gradient, kept within `[least, most]`.
    pub fn adam<F>(x: &mut [F], gradient: &[F], mean: &mut [F], square: &mut [F], least: &[F], most: &[F], step: AdamStep<F>) {
        let n = x.len();
        let (gradient, mean, square, least, most) = (&gradient[..n], &mut mean[..n], &mut square[..n], &least[..n], &most[..n]);
        let (keep, keep_square) = (F::from_f64(0.9), F::from_f64(0.999));
        let (take, take_square) = (F::from_f64(0.1), F::from_f64(0.001));
        for i in 0..n {
            let g = gradient[i];
            mean[i] = keep * mean[i] + take * g;
            square[i] = keep_square * square[i] + take_square * g * g;
            let moved = x[i] - step.rate * mean[i] / ((square[i] * step.unbias).sqrt() + F::from_f64(1e-8));
            x[i] = moved.max(least[i]).min(most[i]);
        }
    }
}

multiversion! {
    /// The greatest value of `v . x` over a box and `sum |v| max |x|`, each with at most `n` roundings per term in `f64`.
    /// The first is infinite or NaN where a coefficient is not finite.
    pub fn upper_end<F>(v: &[F], low: &[f64], high: &[f64], ends: &mut [f64; 2]) {
        const WIDE: usize = 8;
        let n = v.len();
        let ((v, v_rest), (l, l_rest), (h, h_rest)) = (v.as_chunks::<WIDE>(), low[..n].as_chunks::<WIDE>(), high[..n].as_chunks::<WIDE>());
        let (mut value, mut size, mut check) = ([0.0f64; WIDE], [0.0f64; WIDE], [0.0f64; WIDE]);
        for ((v, l), h) in v.iter().zip(l).zip(h) {
            for i in 0..WIDE {
                let c = v[i].to_f64();
                value[i] += if c > 0.0 { c * h[i] } else if c < 0.0 { c * l[i] } else { 0.0 };
                size[i] += c.abs() * l[i].abs().max(h[i].abs());
                // Zero, or NaN for coefficients that are not finite.
                check[i] += c * 0.0;
            }
        }
        *ends = [value.iter().sum::<f64>() + check.iter().sum::<f64>(), size.iter().sum()];
        for ((v, l), h) in v_rest.iter().zip(l_rest).zip(h_rest) {
            let c = v.to_f64();
            ends[0] += if c > 0.0 { c * h } else if c < 0.0 { c * l } else { 0.0 } + c * 0.0;
            ends[1] += c.abs() * l.abs().max(h.abs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small integers: every order of summation is exact.
    #[test]
    fn products_with_single_vectors_are_the_sums() {
        let number = |i: usize| ((i * 7919) % 23) as f64 - 11.0;
        for (outputs, inputs) in [(1, 1), (5, 37), (40, 16), (0, 3), (3, 0)] {
            let w: Vec<f32> = (0..outputs * inputs).map(|i| number(i) as f32).collect();
            let x: Vec<f64> = (0..inputs).map(|i| number(i + 3)).collect();
            let y: Vec<f64> = (0..outputs).map(|i| number(i + 9)).collect();
            for absolute in [false, true] {
                let weight = |o: usize, i: usize| if absolute { w[o * inputs + i].abs() } else { w[o * inputs + i] } as f64;
                let mut got = y.clone();
                times_vector(&w, &x, &mut got, absolute);
                let expected: Vec<f64> = (0..outputs).map(|o| y[o] + (0..inputs).map(|i| weight(o, i) * x[i]).sum::<f64>()).collect();
                assert_eq!(got, expected);
            }
            let mut got = x.clone();
            transposed_times_vector(&w, &y, &mut got);
            let column = |i: usize| (0..outputs).map(|o| w[o * inputs + i] as f64 * y[o]).sum::<f64>();
            let expected: Vec<f64> = (0..inputs).map(|i| x[i] + column(i)).collect();
            assert_eq!(got, expected);
        }
    }
}
