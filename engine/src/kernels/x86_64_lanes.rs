//! AVX-512 and AVX2 twins of [`super::lanes::Picked::portable`]: register blocks of `M` rows by `V` vectors.

/// Generates the kernel of one instruction set and one type.
macro_rules! twin {
    ($name:ident, $features:literal, $lanes:literal, $rows:literal, $wide:literal,
     $load:ident, $store:ident, $set1:ident, $zero:ident, $add:ident, $fma:ident) => {
        /// See [`crate::kernels::Kernel::picked`].
        ///
        /// # Safety
        /// The processor has the features; [`Picked::check`] has passed.
        #[target_feature(enable = $features)]
        pub unsafe fn $name(p: Picked<$name>, result: &mut [$name], accumulate: bool) {
            #[target_feature(enable = $features)]
            unsafe fn block<const M: usize, const V: usize>(
                p: Picked<$name>,
                rows: &[(u32, u32)],
                at: usize,
                c: *mut $name,
                accumulate: bool,
            ) {
                // SAFETY: the caller passes `M` rows and a place of `V` vectors below the number of lanes; all places have been checked.
                unsafe {
                    let (mut weights, mut targets) = ([p.weights.as_ptr(); M], [c; M]);
                    for i in 0..M {
                        weights[i] = weights[i].add(rows[i].0 as usize);
                        targets[i] = targets[i].add(rows[i].1 as usize + at);
                    }
                    let values = p.values.as_ptr().add(at);
                    let mut accumulate = accumulate;
                    for terms in p.terms.chunks(TERMS) {
                        let mut sums = [[$zero(); V]; M];
                        for &(w, v) in terms {
                            let mut vectors = [$zero(); V];
                            for k in 0..V {
                                vectors[k] = $load(values.add(v as usize + k * $lanes));
                            }
                            for i in 0..M {
                                let x = $set1(*weights[i].add(w as usize));
                                for k in 0..V {
                                    sums[i][k] = $fma(x, vectors[k], sums[i][k]);
                                }
                            }
                        }
                        for i in 0..M {
                            for k in 0..V {
                                let target = targets[i].add(k * $lanes);
                                $store(target, if accumulate { $add($load(target), sums[i][k]) } else { sums[i][k] });
                            }
                        }
                        accumulate = true;
                    }
                }
            }

            #[target_feature(enable = $features)]
            unsafe fn all_rows<const V: usize>(p: Picked<$name>, at: usize, c: *mut $name, accumulate: bool) {
                let mut rest = p.rows;
                while !rest.is_empty() {
                    // Blocks of nearly equal height.
                    let (rows, after) = rest.split_at(rest.len().div_ceil(rest.len().div_ceil($rows)));
                    // SAFETY: as above.
                    unsafe {
                        match rows.len() {
                            1 => block::<1, V>(p, rows, at, c, accumulate),
                            2 => block::<2, V>(p, rows, at, c, accumulate),
                            3 => block::<3, V>(p, rows, at, c, accumulate),
                            4 => block::<4, V>(p, rows, at, c, accumulate),
                            5 => block::<5, V>(p, rows, at, c, accumulate),
                            _ => block::<$rows, V>(p, rows, at, c, accumulate),
                        }
                    }
                    rest = after;
                }
            }

            let mut at = 0;
            while at < p.lanes {
                let vectors = ((p.lanes - at) / $lanes).min($wide);
                let c = result.as_mut_ptr();
                // SAFETY: as above.
                unsafe {
                    match vectors {
                        1 => all_rows::<1>(p, at, c, accumulate),
                        2 => all_rows::<2>(p, at, c, accumulate),
                        3 => all_rows::<3>(p, at, c, accumulate),
                        _ => all_rows::<$wide>(p, at, c, accumulate),
                    }
                }
                at += vectors * $lanes;
            }
        }
    };
}

/// 32 registers: blocks of 6 rows by 4 vectors of 16 or 8 numbers.
#[allow(clippy::needless_range_loop)] // constant trip counts keep the block in registers
pub mod avx512 {
    use crate::kernels::lanes::{Picked, TERMS};
    use std::arch::x86_64::*;

    twin!(
        f32,
        "avx512f,avx512dq",
        16,
        6,
        4,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_setzero_ps,
        _mm512_add_ps,
        _mm512_fmadd_ps
    );
    twin!(
        f64,
        "avx512f,avx512dq",
        8,
        6,
        4,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_set1_pd,
        _mm512_setzero_pd,
        _mm512_add_pd,
        _mm512_fmadd_pd
    );
}

/// 16 registers: blocks of 4 rows by 3 vectors of 8 or 4 numbers.
#[allow(clippy::needless_range_loop)]
pub mod avx2 {
    use crate::kernels::lanes::{Picked, TERMS};
    use std::arch::x86_64::*;

    twin!(f32, "avx2,fma", 8, 4, 3, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_add_ps, _mm256_fmadd_ps);
    twin!(f64, "avx2,fma", 4, 4, 3, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_set1_pd, _mm256_setzero_pd, _mm256_add_pd, _mm256_fmadd_pd);
}
