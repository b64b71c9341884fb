//! Stored matrices times single vectors, without packing: memory-bound, so the matrix is read once as it is stored.

use super::{LANES, Real};

/// Compiles a plain loop for AVX-512, AVX2 and the baseline, and picks one at run time.
macro_rules! multiversion {
    ($(#[$doc:meta])* pub fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        pub fn $name<W: Real, F: Real>($($arg: $ty),*) {
            #[inline(always)]
            fn body<W: Real, F: Real>($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,fma")]
                fn wide<W: Real, F: Real>($($arg: $ty),*) { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn medium<W: Real, F: Real>($($arg: $ty),*) { body($($arg),*) }
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

multiversion! {
    /// `y[o] += sum_i w[o][i] x[i]` for a row-major matrix whose rows are as long as `x`; with `|w|` if `absolute`.
    pub fn times_vector(w: &[W], x: &[F], y: &mut [F], absolute: bool) {
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
            let mut sum = super::rows::pairwise(sums);
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
    pub fn transposed_times_vector(w: &[W], y: &[F], x: &mut [F]) {
        let n = x.len();
        for (o, &y) in y.iter().enumerate().filter(|y| *y.1 != F::ZERO) {
            for (x, w) in x.iter_mut().zip(&w[o * n..(o + 1) * n]) {
                *x += F::from_f64(w.to_f64()) * y;
            }
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
