//! AVX-512 and AVX2 twins of [`super::portable`]: register blocks of `M` rows by `V` vectors.

/// Generates the kernels of one instruction set and one type.
macro_rules! twin {
    ($name:ident, $features:literal, $vector:ident, $lanes:literal, $rows:literal, $wide:literal,
     $load:ident, $store:ident, $set1:ident, $zero:ident, $add:ident, $fma:ident, $abs:expr) => {
        /// See [`crate::kernels::Kernel::product`].
        ///
        /// # Safety
        /// The processor has the features; the operands have been checked to hold the product.
        #[target_feature(enable = $features)]
        #[allow(clippy::too_many_arguments)]
        pub unsafe fn $name(
            m: usize,
            depth: usize,
            columns: usize,
            a: View<$name>,
            b: View<$name>,
            c: &mut [$name],
            c_stride: usize,
            accumulate: bool,
            absolute: bool,
        ) {
            #[target_feature(enable = $features)]
            #[allow(clippy::too_many_arguments)]
            unsafe fn block<const M: usize, const V: usize, const ABS: bool>(
                depth: usize,
                a: *const $name,
                a_stride: usize,
                b: *const $name,
                b_stride: usize,
                c: *mut $name,
                c_stride: usize,
                accumulate: bool,
            ) {
                // SAFETY: the caller passes blocks inside the checked operands.
                unsafe {
                    let mut sums = [[$zero(); V]; M];
                    for k in 0..depth {
                        let mut weights = [$zero(); V];
                        for v in 0..V {
                            weights[v] = $load(b.add(k * b_stride + v * $lanes));
                            if ABS {
                                weights[v] = $abs(weights[v]);
                            }
                        }
                        for i in 0..M {
                            let x = $set1(*a.add(i * a_stride + k));
                            for v in 0..V {
                                sums[i][v] = $fma(x, weights[v], sums[i][v]);
                            }
                        }
                    }
                    for i in 0..M {
                        for v in 0..V {
                            let target = c.add(i * c_stride + v * $lanes);
                            let sum = if accumulate { $add($load(target), sums[i][v]) } else { sums[i][v] };
                            $store(target, sum);
                        }
                    }
                }
            }

            #[target_feature(enable = $features)]
            #[allow(clippy::too_many_arguments)]
            unsafe fn columns_of<const V: usize, const ABS: bool>(
                m: usize,
                depth: usize,
                a: View<$name>,
                b: *const $name,
                b_stride: usize,
                c: *mut $name,
                c_stride: usize,
                accumulate: bool,
            ) {
                // SAFETY: rows `i..i + M` lie below `m`, which the caller has checked.
                unsafe {
                    let mut i = 0;
                    while i < m {
                        let (pa, pc) = (a.data.as_ptr().add(i * a.stride), c.add(i * c_stride));
                        let step = (m - i).min($rows);
                        match step {
                            1 => block::<1, V, ABS>(depth, pa, a.stride, b, b_stride, pc, c_stride, accumulate),
                            2 => block::<2, V, ABS>(depth, pa, a.stride, b, b_stride, pc, c_stride, accumulate),
                            3 => block::<3, V, ABS>(depth, pa, a.stride, b, b_stride, pc, c_stride, accumulate),
                            4 => block::<4, V, ABS>(depth, pa, a.stride, b, b_stride, pc, c_stride, accumulate),
                            5 => block::<5, V, ABS>(depth, pa, a.stride, b, b_stride, pc, c_stride, accumulate),
                            _ => block::<$rows, V, ABS>(depth, pa, a.stride, b, b_stride, pc, c_stride, accumulate),
                        }
                        i += step;
                    }
                }
            }

            // SAFETY: column blocks lie inside `columns`, which the caller has checked.
            unsafe {
                let mut j = 0;
                while j < columns {
                    let (pb, pc) = (b.data.as_ptr().add(j), c.as_mut_ptr().add(j));
                    let vectors = ((columns - j) / $lanes).min($wide);
                    match (vectors, absolute) {
                        (1, false) => columns_of::<1, false>(m, depth, a, pb, b.stride, pc, c_stride, accumulate),
                        (2, false) => columns_of::<2, false>(m, depth, a, pb, b.stride, pc, c_stride, accumulate),
                        (3, false) => columns_of::<3, false>(m, depth, a, pb, b.stride, pc, c_stride, accumulate),
                        (_, false) => columns_of::<$wide, false>(m, depth, a, pb, b.stride, pc, c_stride, accumulate),
                        (1, true) => columns_of::<1, true>(m, depth, a, pb, b.stride, pc, c_stride, accumulate),
                        (2, true) => columns_of::<2, true>(m, depth, a, pb, b.stride, pc, c_stride, accumulate),
                        (3, true) => columns_of::<3, true>(m, depth, a, pb, b.stride, pc, c_stride, accumulate),
                        (_, true) => columns_of::<$wide, true>(m, depth, a, pb, b.stride, pc, c_stride, accumulate),
                    }
                    j += vectors * $lanes;
                }
            }
        }
    };
}

/// 32 registers: blocks of 6 rows by 4 vectors of 16 or 8 numbers.
#[allow(clippy::needless_range_loop)] // constant trip counts keep the block in registers
pub mod avx512 {
    use crate::kernels::View;
    use std::arch::x86_64::*;

    twin!(
        f32,
        "avx512f,avx512dq",
        __m512,
        16,
        6,
        4,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_set1_ps,
        _mm512_setzero_ps,
        _mm512_add_ps,
        _mm512_fmadd_ps,
        |x| _mm512_abs_ps(x)
    );
    twin!(
        f64,
        "avx512f,avx512dq",
        __m512d,
        8,
        6,
        4,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_set1_pd,
        _mm512_setzero_pd,
        _mm512_add_pd,
        _mm512_fmadd_pd,
        |x| _mm512_abs_pd(x)
    );
}

/// 16 registers: blocks of 4 rows by 3 vectors of 8 or 4 numbers.
#[allow(clippy::needless_range_loop)]
pub mod avx2 {
    use crate::kernels::View;
    use std::arch::x86_64::*;

    twin!(
        f32,
        "avx2,fma",
        __m256,
        8,
        4,
        3,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_set1_ps,
        _mm256_setzero_ps,
        _mm256_add_ps,
        _mm256_fmadd_ps,
        |x| { _mm256_andnot_ps(_mm256_set1_ps(-0.0), x) }
    );
    twin!(
        f64,
        "avx2,fma",
        __m256d,
        4,
        4,
        3,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_set1_pd,
        _mm256_setzero_pd,
        _mm256_add_pd,
        _mm256_fmadd_pd,
        |x| { _mm256_andnot_pd(_mm256_set1_pd(-0.0), x) }
    );
}
